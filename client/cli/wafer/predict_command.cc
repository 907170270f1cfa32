// waferctl wafer predict: a whole model on wafers, or on accelerators (predict_device.h).
#include <fmt/format.h>

#include <boost/json.hpp>

#include "client/cli/frame/output.h"
#include "client/cli/wafer/estimates.h"
#include "client/cli/wafer/model_flags.h"
#include "client/cli/wafer/predict_device.h"
#include "client/cli/wafer/prediction_page.h"
#include "client/cli/wafer/wafer_commands.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/silicon/hardware_file.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;
using placement::LatencyParts;
using placement::Prediction;

json::object LatencyJson(const LatencyParts& parts) {
  return {{"total", 1e6 * parts.total()},
          {"start", 1e6 * parts.start},
          {"allreduces", 1e6 * parts.allreduces},
          {"weights", 1e6 * parts.weights},
          {"attention", 1e6 * parts.attention},
          {"embedding_and_output", 1e6 * parts.embedding_and_output},
          {"region_hops", 1e6 * parts.region_hops},
          {"wafer_hops", 1e6 * parts.wafer_hops},
          {"drafting", 1e6 * parts.drafting}};
}

json::object IntervalsJson(const Prediction& p) {
  return {{"tokens_per_second", IntervalJson(p.tokens_per_second)},
          {"aggregate_tokens_per_second", IntervalJson(p.aggregate_per_second)},
          {"full_tokens_per_second", IntervalJson(p.full_per_second)},
          {"ttft_wafer_ms", IntervalJson(p.ttft_wafer_ms)},
          {"request_ms", IntervalJson(p.request_total_ms)},
          {"end_to_end_tokens_per_second", IntervalJson(p.end_to_end_per_second)},
          {"watts", IntervalJson(p.watts)},
          {"joules_per_token", IntervalJson(p.joules_per_token)},
          {"usd_per_million_tokens", IntervalJson(p.usd_per_million_tokens)}};
}

json::array PrefillJson(const Prediction& p) {
  json::array prefill;
  for (const placement::DevicePrefill& d : p.prefill) {
    prefill.push_back({{"device", d.device},
                       {"devices", d.devices},
                       {"ttft_ms", d.ttft_ms},
                       {"kv_transfer_ms", d.kv_transfer_ms},
                       {"joules", d.joules},
                       {"prompt_tokens_per_second", d.tokens_per_second}});
  }
  return prefill;
}

json::object Json(const ModelOnWafers& it, const placement::PredictionTask& task,
                  const Prediction& p) {
  return {{"model", it.shape.name},
          {"hardware", it.hardware.name},
          {"profile", it.profile.name},
          {"kv", task.kv},
          {"users", task.users},
          {"prompt", task.prompt},
          {"generate", task.generate},
          {"wafers", p.wafers},
          {"stages", p.stages},
          {"weight_gigabytes", p.weight_gigabytes},
          {"tokens_per_second", p.tokens_per_second.value},
          {"interval", IntervalJson(p.tokens_per_second)},
          {"latency_us", LatencyJson(p.latency)},
          {"tokens_per_step", p.tokens_per_step},
          {"stage_us", p.stage_us},
          {"decode_grid", p.decode_grid},
          {"prefill_grid", p.prefill_grid},
          {"users_before_slowdown", p.users_before_slowdown},
          {"users_by_memory", p.users_by_memory},
          {"aggregate_tokens_per_second", p.aggregate_per_second.value},
          {"full_tokens_per_second", p.full_per_second.value},
          {"ttft_wafer_ms", p.ttft_wafer_ms.value},
          {"request_ms",
           {{"total", p.request_ms.total},
            {"first_token", p.request_ms.first_token},
            {"transition", p.request_ms.transition},
            {"decode", p.request_ms.decode}}},
          {"end_to_end_tokens_per_second", p.end_to_end_per_second.value},
          {"watts", p.watts.value},
          {"joules_per_token", p.joules_per_token.value},
          {"usd_per_million_tokens", p.usd_per_million_tokens.value},
          {"intervals", IntervalsJson(p)},
          {"influences", InfluencesJson(p.influences)},
          {"prefill", PrefillJson(p)}};
}

void PrintFigures(const Prediction& p) {
  EstimateTable table;
  table.Add("one user", p.tokens_per_second, "tokens/s");
  table.Add("these users together", p.aggregate_per_second, "tokens/s");
  table.Add("as many users as fit and do not slow each other", p.full_per_second, "tokens/s");
  table.Add("time to first token, prefill on the wafer", p.ttft_wafer_ms, "ms");
  table.Add("whole request on the wafer", p.request_total_ms, "ms");
  table.Add("answer over whole request", p.end_to_end_per_second, "tokens/s");
  table.Add("power", p.watts, "W");
  table.Add("energy of a token", p.joules_per_token, "J");
  table.Add("cost of a million tokens", p.usd_per_million_tokens, "USD");
  table.Print();
}

void PrintPrediction(const Prediction& p) {
  Print("{:.1f} GB of weights, {}; {} before they slow each other, KV of {} fits\n",
        p.weight_gigabytes, Counted(p.stages, "stage"), Counted(p.users_before_slowdown, "user"),
        p.users_by_memory);
  if (p.decode_grid > 0) {
    Print("layers share a grid of side {} ({} over the prompt)\n", p.decode_grid, p.prefill_grid);
  }
  PrintFigures(p);
  const placement::RequestParts& r = p.request_ms;
  Print("request, ms: total {:.2f} = first token {:.2f} + transition {:.3f} + decode {:.2f}\n",
        r.total, r.first_token, r.transition, r.decode);
  const LatencyParts& parts = p.latency;
  Print(
      "latency of a pass, us: total {:.1f} = start {:.1f} + allreduces {:.1f} + weights {:.1f} + "
      "attention {:.1f} + embedding and output {:.1f} + region hops {:.1f} + wafer hops {:.1f} + "
      "drafting {:.1f}; slowest stage {:.2f}; {:.3g} tokens a pass\n",
      1e6 * parts.total(), 1e6 * parts.start, 1e6 * parts.allreduces, 1e6 * parts.weights,
      1e6 * parts.attention, 1e6 * parts.embedding_and_output, 1e6 * parts.region_hops,
      1e6 * parts.wafer_hops, 1e6 * parts.drafting, p.stage_us, p.tokens_per_step);
  Table prefill({"prefill on", "first token, ms", "KV transfer, ms", "energy, J"});
  for (const placement::DevicePrefill& d : p.prefill) {
    prefill.Add({fmt::format("{} x {}", d.devices, d.device), fmt::format("{:.2f}", d.ttft_ms),
                 fmt::format("{:.2f}", d.kv_transfer_ms), fmt::format("{:.1f}", d.joules)});
  }
  prefill.Print();
  PrintInfluences(p.influences);
}

absl::Status RunPredict(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const silicon::Hardware hardware,
                      silicon::LoadHardware(arguments.Text("hardware")));
  if (hardware.accelerator() != nullptr) return PredictOnDevices(arguments, hardware);
  if (arguments.Has("devices")) {
    return UsageError("--devices has no effect on " + hardware.name + ": state --wafers");
  }
  WL_ASSIGN_OR_RETURN(ModelOnWafers it, ReadModelFlags(arguments));
  if (arguments.Has("accepted")) {
    const double accepted = arguments.Number("accepted");
    it.profile.tokens_per_step = {accepted, accepted, accepted, Mark::kUnknown, "given"};
    if (accepted == 1) it.profile.draft_seconds = {};
  }
  placement::PredictionTask task = it.Prediction();
  task.prompt = arguments.Integer("prompt");
  task.generate = arguments.Integer("generate");
  task.decode_grid = static_cast<int>(arguments.Integer("decode-grid"));
  task.prefill_grid = static_cast<int>(arguments.Integer("prefill-grid"));
  for (const std::string& name : silicon::BuiltInHardware()) {
    WL_ASSIGN_OR_RETURN(silicon::Hardware device, silicon::LoadHardware(name));
    if (device.accelerator() != nullptr) task.prefill_devices.push_back(std::move(device));
  }
  WL_ASSIGN_OR_RETURN(const Prediction prediction, placement::Predict(task));
  if (arguments.Has("html")) {
    WL_RETURN_IF_ERROR(WriteFile(arguments.Text("html"), PredictionPage(it, prediction)));
  }
  if (arguments.json()) {
    PrintText(JsonText(Json(it, task, prediction)) + "\n");
  } else {
    Print("{}: {}\n", it.Title(prediction.wafers), it.Load());
    PrintPrediction(prediction);
  }
  return absl::OkStatus();
}

}  // namespace

Command PredictCommand() {
  constexpr int64_t kMax = int64_t{1} << 31;
  Command command{
      .words = "wafer predict",
      .summary = "Predict speed, energy and cost of a model on any hardware, with intervals",
      .flags = ModelFlags(),
      .examples = {"waferctl wafer predict --model llama-3.1-70b",
                   "waferctl wafer predict --model my-model.gguf --weights fp8 --users 16",
                   "waferctl wafer predict --model llama-3.1-70b --hardware groq-lpu-v1"},
      .run = RunPredict};
  command.flags.insert(
      command.flags.end(),
      {IntegerFlag("prompt", "N", "tokens of a request's prompt", {1, kMax}).Default(1024),
       IntegerFlag("generate", "N", "tokens of a request's answer", {1, kMax}).Default(128),
       IntegerFlag("devices", "N", "accelerators, where the hardware is one; 0: as few as fit",
                   {0, 65536})
           .Default(0),
       IntegerFlag("decode-grid", "N",
                   "side of the grid that layers share while decoding; 0: the fastest. Only for "
                   "profiles whose layers share a grid (open)",
                   {0, 65535})
           .Default(0),
       IntegerFlag("prefill-grid", "N", "the same over the prompt", {0, 65535}).Default(0),
       NumberFlag("accepted", "N",
                  "tokens accepted a pass, instead of the profile's; 1: no speculation", {1, 64}),
       OutputFlag("html", "also write the prediction as one page of HTML")});
  return command;
}

}  // namespace waferline::cli
