// waferctl wafer tornado and wafer latency: predictions as pictures, what moves the speed of one
// user, and where a token's time goes for one model or for several.
#include <boost/json.hpp>
#include <cstdio>

#include "client/cli/charts/charts.h"
#include "client/cli/charts/svg.h"
#include "client/cli/frame/arguments.h"
#include "client/cli/wafer/placement_commands.h"
#include "client/cli/wafer/placement_flags.h"
#include "client/cli/wafer/wafer_commands.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/placement/prediction.h"
#include "wafer_backend/hardware/timing/model_shape_file.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;
using placement::Prediction;

absl::StatusOr<Prediction> PredictFor(const ModelOnWafers& it, int64_t kv) {
  return placement::Predict({.shape = it.shape,
                             .wafer = it.wafer(),
                             .profile = it.profile,
                             .wafers = it.wafers,
                             .bytes_per_weight = it.bytes_per_weight,
                             .kv = kv,
                             .users = it.users});
}

std::string Labelled(double value, const char* unit) {
  return ShortNumber(value) + (*unit == '\0' ? "" : std::string(" ") + unit);
}

struct Ends {
  std::string low, high;
};

// A parameter's range in words, as the prediction moved it.
Ends EndsOf(const std::string& parameter, const ModelOnWafers& it) {
  const auto fact = [](const Fact& f, double factor, const char* unit) {
    return Ends{Labelled(f.low * factor, unit), Labelled(f.high * factor, unit)};
  };
  if (parameter == "clock") return fact(it.wafer().clock_hz, 1e-9, "GHz");
  if (parameter == "wafer-to-wafer latency") {
    return fact(it.wafer().wafer_to_wafer_seconds, 1e6, "us");
  }
  if (parameter == "softmax cycles a score") {
    return fact(it.profile.softmax_score_cycles, 1, "cycles");
  }
  if (parameter == "tokens a step") return fact(it.profile.tokens_per_step, 1, "");
  if (parameter == "kernel cycles") {
    const double error = 200 * it.profile.spread;
    return {"-" + Labelled(std::min(error, 90.0), "%"), "+" + Labelled(error, "%")};
  }
  return {"low", "high"};
}

std::string Circumstances(const ModelOnWafers& it, int64_t kv) {
  return std::to_string(it.users) + (it.users == 1 ? " user, " : " users, ") + std::to_string(kv) +
         " cached positions, profile " + it.profile.name;
}

absl::Status RunTornado(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const ModelOnWafers it, ReadModelFlags(arguments));
  WL_ASSIGN_OR_RETURN(const Prediction p, PredictFor(it, it.context));
  TornadoChart chart{.title = "What moves one user's tokens/s: " + it.Title(p.wafers),
                     .x_label = "tokens/s of one user; " + Circumstances(it, it.context),
                     .base = p.tokens_per_second.value,
                     .swings = {}};
  json::array swings;
  for (const placement::Influence& influence : p.influences) {
    if (influence.at_low == influence.at_high) continue;  // watts and prices
    const Ends ends = EndsOf(influence.parameter, it);
    chart.swings.push_back(
        {influence.parameter, ends.low, ends.high, influence.at_low, influence.at_high});
    swings.push_back({{"parameter", influence.parameter},
                      {"low", ends.low},
                      {"high", ends.high},
                      {"tokens_per_second_at_low", influence.at_low},
                      {"tokens_per_second_at_high", influence.at_high}});
    if (!arguments.json()) {
      printf("%-26s %10s: %8.1f tokens/s   %10s: %8.1f tokens/s\n", influence.parameter.c_str(),
             ends.low.c_str(), influence.at_low, ends.high.c_str(), influence.at_high);
    }
  }
  if (arguments.json()) {
    printf("%s\n", json::serialize(json::object{{"model", it.shape.name},
                                                {"hardware", it.hardware.name},
                                                {"profile", it.profile.name},
                                                {"tokens_per_second", p.tokens_per_second.value},
                                                {"swings", swings}})
                       .c_str());
  }
  if (!arguments.Has("svg")) return absl::OkStatus();
  return WriteSvg(arguments.Text("svg"), DrawTornado(std::move(chart)));
}

absl::Status RunLatency(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(ModelOnWafers it, ReadModelFlags(arguments));
  PartsChart chart{.title = "Where the time of a token goes",
                   .x_label = "microseconds a pass on " + it.hardware.name + "; " +
                              Circumstances(it, it.context),
                   .part_names = {"layer start", "allreduces", "weights", "attention",
                                  "embedding and output", "between regions", "between wafers"},
                   .bars = {}};
  json::array bars;
  for (const std::string& model : arguments.Texts("model")) {
    WL_ASSIGN_OR_RETURN(it.shape, timing::LoadModelShape(model));
    WL_ASSIGN_OR_RETURN(const Prediction p, PredictFor(it, it.context));
    const placement::LatencyParts& l = p.latency;
    std::vector<double> parts = {l.start,     l.allreduces,           l.weights,
                                 l.attention, l.embedding_and_output, l.region_hops,
                                 l.wafer_hops};
    for (double& part : parts) part *= 1e6;
    chart.bars.push_back(
        {it.shape.name + ", " + std::to_string(p.wafers) + (p.wafers == 1 ? " wafer" : " wafers"),
         parts});
    json::object by_part;
    for (size_t i = 0; i < parts.size(); ++i) by_part[chart.part_names[i]] = parts[i];
    bars.push_back({{"model", it.shape.name},
                    {"wafers", p.wafers},
                    {"total_us", 1e6 * l.total()},
                    {"latency_us", by_part}});
    if (arguments.json()) continue;
    printf("%-20s %3d wafer(s) %9.1f us:", it.shape.name.c_str(), p.wafers, 1e6 * l.total());
    for (size_t i = 0; i < parts.size(); ++i) {
      printf(" %s %.1f", chart.part_names[i].c_str(), parts[i]);
    }
    printf("\n");
  }
  if (arguments.json()) {
    printf("%s\n", json::serialize(json::object{{"hardware", it.hardware.name},
                                                {"profile", it.profile.name},
                                                {"kv", it.context},
                                                {"models", bars}})
                       .c_str());
  }
  if (!arguments.Has("svg")) return absl::OkStatus();
  return WriteSvg(arguments.Text("svg"), DrawParts(chart));
}

std::vector<Flag> PredictionFlags() {
  std::vector<Flag> flags = ModelFlags();
  flags.insert(flags.begin() + 1, HardwareFlag());
  flags.push_back(TextFlag("svg", "FILE", "also draw it"));
  return flags;
}

}  // namespace

Command TornadoCommand() {
  return {.words = "wafer tornado",
          .summary = "How far each uncertain parameter moves one user's tokens/s",
          .flags = PredictionFlags(),
          .run = RunTornado};
}

Command LatencyCommand() {
  return {.words = "wafer latency",
          .summary = "Where a token's time goes, for each --model given",
          .flags = PredictionFlags(),
          .run = RunLatency};
}

}  // namespace waferline::cli
