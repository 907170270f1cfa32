#include "client/cli/wafer/predict_device.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "client/cli/frame/output.h"
#include "client/cli/wafer/estimates.h"
#include "client/cli/wafer/model_flags.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/placement/device_prediction.h"
#include "wafer_backend/hardware/timing/weight_types.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;
using placement::CheckedFigure;
using placement::DevicePrediction;
using placement::DeviceTask;

json::array ChecksJson(const std::vector<CheckedFigure>& checks) {
  json::array out;
  for (const CheckedFigure& check : checks) {
    out.push_back(json::object{{"figure", check.name},
                               {"unit", check.unit},
                               {"published", check.published},
                               {"predicted", check.predicted},
                               {"within", check.from->within},
                               {"inside", check.inside()},
                               {"source", check.from->source}});
  }
  return out;
}

json::object Json(const DeviceTask& task, const DevicePrediction& p,
                  const std::vector<CheckedFigure>& checks) {
  json::object intervals{{"tokens_per_second", IntervalJson(p.tokens_per_second)},
                         {"aggregate_tokens_per_second", IntervalJson(p.aggregate_per_second)},
                         {"ttft_ms", IntervalJson(p.ttft_ms)},
                         {"watts", IntervalJson(p.watts)},
                         {"joules_per_token", IntervalJson(p.joules_per_token)},
                         {"usd_per_million_tokens", IntervalJson(p.usd_per_million_tokens)}};
  json::object out{{"model", task.shape.name},
                   {"hardware", task.hardware.name},
                   {"kv", task.kv},
                   {"users", task.users},
                   {"prompt", task.prompt},
                   {"generate", task.generate},
                   {"devices", p.figures.devices},
                   {"pipeline", p.figures.pipeline},
                   {"weight_gigabytes", p.figures.weight_bytes / 1e9},
                   {"users_by_memory", p.figures.users_by_memory},
                   {"tokens_per_second", p.tokens_per_second.value},
                   {"aggregate_tokens_per_second", p.aggregate_per_second.value},
                   {"ttft_ms", p.ttft_ms.value},
                   {"watts", p.watts.value},
                   {"joules_per_token", p.joules_per_token.value},
                   {"usd_per_million_tokens", p.usd_per_million_tokens.value}};
  if (p.serving_per_second) {
    out["serving_tokens_per_second"] = p.serving_per_second->value;
    intervals["serving_tokens_per_second"] = IntervalJson(*p.serving_per_second);
  }
  out["intervals"] = std::move(intervals);
  out["influences"] = InfluencesJson(p.influences);
  out["checks"] = ChecksJson(checks);
  return out;
}

void PrintPrediction(const DevicePrediction& p) {
  EstimateTable table;
  table.Add("one user, decoding", p.tokens_per_second, "tokens/s");
  table.Add("these users together", p.aggregate_per_second, "tokens/s");
  if (p.serving_per_second) {
    table.Add("prefill and decode at maximum load", *p.serving_per_second, "tokens/s");
  }
  table.Add("time to first token", p.ttft_ms, "ms");
  table.Add("power", p.watts, "W");
  table.Add("energy of a token", p.joules_per_token, "J");
  table.Add("cost of a million tokens", p.usd_per_million_tokens, "USD");
  table.Print();
  PrintInfluences(p.influences);
}

void PrintChecks(const std::vector<CheckedFigure>& checks) {
  if (checks.empty()) return;
  Table table({"published figure", "published", "predicted", "off", "unit", "allowed"},
              {Table::Align::kLeft, Table::Align::kRight, Table::Align::kRight,
               Table::Align::kRight, Table::Align::kLeft, Table::Align::kRight});
  for (const CheckedFigure& check : checks) {
    table.Add(
        {check.name, fmt::format("{:.5g}", check.published), fmt::format("{:.5g}", check.predicted),
         fmt::format("{:+.1f}%", 100 * (check.predicted / check.published - 1)), check.unit,
         fmt::format("{:.0f}%{}", 100 * check.from->within, check.inside() ? "" : ": outside")});
  }
  table.Print();
}

}  // namespace

absl::Status PredictOnDevices(const Arguments& arguments, const silicon::Hardware& hardware) {
  for (const char* flag :
       {"profile", "wafers", "decode-grid", "prefill-grid", "accepted", "html"}) {
    if (!arguments.Has(flag)) continue;
    return UsageError(
        fmt::format("--{} has no effect on {}: it is an accelerator", flag, hardware.name));
  }
  WL_ASSIGN_OR_RETURN(const timing::ModelSizes shape, ReadShape(arguments.Text("model")));
  DeviceTask task{.shape = shape, .hardware = hardware};
  WL_ASSIGN_OR_RETURN(task.bytes_per_weight, timing::BytesPerWeight(arguments.Text("weights")));
  task.devices = static_cast<int>(arguments.Integer("devices"));
  task.kv = arguments.Integer("context");
  task.users = arguments.Integer("users");
  task.prompt = arguments.Integer("prompt");
  task.generate = arguments.Integer("generate");
  WL_ASSIGN_OR_RETURN(const DevicePrediction prediction, placement::PredictOnDevices(task));
  WL_ASSIGN_OR_RETURN(const std::vector<CheckedFigure> checks, placement::CheckFigures(hardware));
  if (arguments.json()) {
    PrintText(JsonText(Json(task, prediction, checks)) + "\n");
    return absl::OkStatus();
  }
  const placement::DeviceFigures& figures = prediction.figures;
  Print("{}, {}, on {} x {}: {}, context {}\n", shape.name, arguments.Text("weights"),
        figures.devices, hardware.name, Counted(task.users, "user"), task.kv);
  Print("{:.1f} GB of weights; KV of {} fits{}\n", figures.weight_bytes / 1e9,
        Counted(figures.users_by_memory, "user"),
        figures.pipeline ? "; a pipeline of chips, each layer on some of its own" : "");
  PrintPrediction(prediction);
  PrintChecks(checks);
  return absl::OkStatus();
}

}  // namespace waferline::cli
