// waferctl wafer tornado and wafer latency: predictions as pictures, what moves the speed of one
// user, and where a token's time goes for one model or for several.
#include <fmt/format.h>

#include <boost/json.hpp>

#include "client/cli/charts/charts.h"
#include "client/cli/charts/svg.h"
#include "client/cli/frame/output.h"
#include "client/cli/wafer/model_flags.h"
#include "client/cli/wafer/wafer_commands.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;
using placement::Prediction;

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

absl::Status RunTornado(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const ModelOnWafers it, ReadModelFlags(arguments));
  WL_ASSIGN_OR_RETURN(const Prediction p, placement::Predict(it.Prediction()));
  TornadoChart chart{.title = "What moves one user's tokens/s: " + it.Title(p.wafers),
                     .x_label = "tokens/s of one user; " + it.Load(),
                     .base = p.tokens_per_second.value,
                     .swings = {}};
  Table table({"parameter", "from", "tokens/s", "to", "tokens/s"});
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
    table.Add({influence.parameter, ends.low, fmt::format("{:.1f}", influence.at_low), ends.high,
               fmt::format("{:.1f}", influence.at_high)});
  }
  if (arguments.json()) {
    PrintText(JsonText(json::object{{"model", it.shape.name},
                                    {"hardware", it.hardware.name},
                                    {"profile", it.profile.name},
                                    {"tokens_per_second", p.tokens_per_second.value},
                                    {"swings", swings}}) +
              "\n");
  } else {
    Print("{}: {}; {:.5g} tokens/s for one user\n", it.Title(p.wafers), it.Load(),
          p.tokens_per_second.value);
    table.Print();
  }
  if (!arguments.Has("svg")) return absl::OkStatus();
  return WriteFile(arguments.Text("svg"), DrawTornado(std::move(chart)));
}

std::vector<double> MicrosecondsOf(const placement::LatencyParts& l) {
  std::vector<double> parts = {
      l.start,       l.allreduces, l.weights, l.attention, l.embedding_and_output,
      l.region_hops, l.wafer_hops, l.drafting};
  for (double& part : parts) part *= 1e6;
  return parts;
}

absl::Status RunLatency(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(ModelOnWafers it, ReadModelFlags(arguments));
  PartsChart chart{
      .title = "Where the time of a token goes",
      .x_label = "microseconds a pass on " + it.hardware.name + "; " + it.Load(),
      .part_names = {"layer start", "allreduces", "weights", "attention", "embedding and output",
                     "between regions", "between wafers", "drafting"},
      .bars = {}};
  std::vector<std::string> names = {"us a pass", "wafers", "total"};
  names.insert(names.end(), chart.part_names.begin(), chart.part_names.end());
  Table table(names);
  json::array bars;
  for (const std::string& model : arguments.Texts("model")) {
    WL_ASSIGN_OR_RETURN(it.shape, ReadShape(model));
    WL_ASSIGN_OR_RETURN(const Prediction p, placement::Predict(it.Prediction()));
    const std::vector<double> parts = MicrosecondsOf(p.latency);
    const double total_us = 1e6 * p.latency.total();
    chart.bars.push_back({it.shape.name + ", " + Counted(p.wafers, "wafer"), parts});
    json::object by_part;
    std::vector<std::string> row = {it.shape.name, std::to_string(p.wafers),
                                    fmt::format("{:.1f}", total_us)};
    for (size_t i = 0; i < parts.size(); ++i) {
      by_part[chart.part_names[i]] = parts[i];
      row.push_back(fmt::format("{:.1f}", parts[i]));
    }
    table.Add(std::move(row));
    bars.push_back({{"model", it.shape.name},
                    {"wafers", p.wafers},
                    {"total_us", total_us},
                    {"latency_us", by_part}});
  }
  if (arguments.json()) {
    PrintText(JsonText(json::object{{"hardware", it.hardware.name},
                                    {"profile", it.profile.name},
                                    {"kv", it.context},
                                    {"models", bars}}) +
              "\n");
  } else {
    table.Print();
  }
  if (!arguments.Has("svg")) return absl::OkStatus();
  return WriteFile(arguments.Text("svg"), DrawParts(chart));
}

std::vector<Flag> PictureFlags() {
  std::vector<Flag> flags = ModelFlags();
  flags.push_back(SvgFlag());
  return flags;
}

std::vector<Flag> LatencyFlags() {
  std::vector<Flag> flags = PictureFlags();
  for (Flag& flag : flags) {
    if (flag.name == "model") flag = flag.Repeatable();
  }
  return flags;
}

}  // namespace

Command TornadoCommand() {
  return {.words = "wafer tornado",
          .summary = "How far each uncertain parameter moves the predicted tokens/s",
          .flags = PictureFlags(),
          .examples = {"waferctl wafer tornado --model llama-3.1-70b --svg tornado.svg"},
          .run = RunTornado};
}

Command LatencyCommand() {
  return {.words = "wafer latency",
          .summary = "Where the time of a token goes",
          .flags = LatencyFlags(),
          .examples = {"waferctl wafer latency --model llama-3.1-8b --model llama-3.1-70b"},
          .run = RunLatency};
}

}  // namespace waferline::cli
