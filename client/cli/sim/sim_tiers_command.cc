// waferctl sim tiers: the same load while the fast units' share of its tokens goes from none to
// all.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <memory>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/charts/line_chart.h"
#include "client/cli/frame/output.h"
#include "client/cli/sim/sim_commands.h"
#include "client/cli/sim/sim_run.h"
#include "client/cli/sim/sweep_variants.h"
#include "scheduler/fleet/config/fleet_config.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;

constexpr int kMaxShares = 1000;

// "0:1:0.1": from, to, step. Both ends are in.
absl::StatusOr<std::vector<double>> SharesOf(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, ':');
  double from = 0, to = 0, step = 0;
  const bool numbers = parts.size() == 3 && absl::SimpleAtod(parts[0], &from) &&
                       absl::SimpleAtod(parts[1], &to) && absl::SimpleAtod(parts[2], &step);
  if (!numbers || !(from >= 0 && to <= 1 && from <= to && step > 0) ||
      !((to - from) / step < kMaxShares)) {
    return UsageError(absl::StrCat("--share: \"", text,
                                   "\" must be FROM:TO:STEP with 0 <= FROM <= TO <= 1 and at most ",
                                   kMaxShares, " steps"));
  }
  std::vector<double> shares;
  for (int i = 0; from + step * i < to + step * 1e-9; ++i) shares.push_back(from + step * i);
  if (to - shares.back() > step * 1e-9) shares.push_back(to);
  return shares;
}

// What a run comes to at one share.
struct TierRow {
  double share = 0;
  double fast_share = 0;  // of the output tokens of completed requests
  double goodput = 0;     // share of the requests offered; of those completed without --goodput
  double ttft_p99_ms = 0;
  double fast_tpot_ms = 0, slow_tpot_ms = 0;  // medians; 0: none was served there
  // Of a million, one and a million output tokens, the first two without idle time; 0: there is no
  // output token, or the fleet has no prices.
  double usd = 0, joules = 0, fleet_usd = 0;
  std::string digest;
};

double NumberAt(const json::object& report, std::initializer_list<const char*> path) {
  const json::value* at = nullptr;
  const json::object* in = &report;
  for (const char* step : path) {
    at = in == nullptr ? nullptr : in->if_contains(step);
    in = at == nullptr ? nullptr : at->if_object();
  }
  return at != nullptr && at->is_number() ? at->to_number<double>() : 0;
}

json::value JsonOf(double figure) { return figure > 0 ? json::value(figure) : json::value(); }

TierRow RowOf(double share, const json::object& report) {
  TierRow row{.share = share};
  double tokens = 0, slow_tokens = 0, weighted = 0;
  for (const auto& [name, tier] : report.at("tiers").as_object()) {
    const json::object& its = tier.as_object();
    const double of_tier = NumberAt(its, {"output_tokens"});
    tokens += of_tier;
    const double tpot = NumberAt(its, {"tpot_ms", "p50"});
    if (name == "priority") {
      row.fast_share = of_tier;
      row.fast_tpot_ms = tpot;
    } else {
      slow_tokens += of_tier;
      weighted += of_tier * tpot;
    }
  }
  row.fast_share /= std::max(1.0, tokens);
  row.slow_tpot_ms = weighted / std::max(1.0, slow_tokens);
  row.goodput = report.contains("goodput")
                    ? NumberAt(report, {"goodput", "share"})
                    : NumberAt(report, {"requests", "completed"}) /
                          std::max(1.0, NumberAt(report, {"requests", "offered"}));
  row.ttft_p99_ms = NumberAt(report, {"ttft_ms", "p99"});
  row.usd = NumberAt(report, {"compute", "usd_per_million_output_tokens"});
  row.joules = NumberAt(report, {"compute", "joules_per_output_token"});
  row.fleet_usd = NumberAt(report, {"usd_per_million_output_tokens"});
  row.digest = json::value_to<std::string>(report.at("receipt").at("digest"));
  return row;
}

json::object RowJson(const TierRow& row) {
  return {{"share", row.share},
          {"fast_share", row.fast_share},
          {"goodput_share", row.goodput},
          {"ttft_ms_p99", row.ttft_p99_ms},
          {"fast_tpot_ms_p50", row.fast_tpot_ms},
          {"slow_tpot_ms_p50", row.slow_tpot_ms},
          {"usd_per_million_output_tokens", JsonOf(row.usd)},
          {"joules_per_output_token", JsonOf(row.joules)},
          {"fleet_usd_per_million_output_tokens", JsonOf(row.fleet_usd)},
          {"digest", row.digest}};
}

void PrintRows(const std::vector<TierRow>& rows) {
  Table table({"share", "fast tokens", "goodput", "ttft p99, ms", "fast tpot p50, ms",
               "slow tpot p50, ms", "$/M tokens", "J/token", "$/M, whole fleet"});
  const auto figure = [](double value) { return value > 0 ? fmt::format("{:.3f}", value) : "-"; };
  for (const TierRow& row : rows) {
    table.Add({fmt::format("{:.3g} %", 100 * row.share),
               fmt::format("{:.1f} %", 100 * row.fast_share),
               fmt::format("{:.1f} %", 100 * row.goodput), fmt::format("{:.1f}", row.ttft_p99_ms),
               figure(row.fast_tpot_ms), figure(row.slow_tpot_ms), figure(row.usd),
               figure(row.joules), figure(row.fleet_usd)});
  }
  table.Print();
  Print(
      "$ and J are of the device time that requests occupied; the whole fleet's $ are of its idle "
      "time too\n");
}

// Goodput as it is; what has another unit in percent of its largest value, which the legend names.
std::string Picture(const std::vector<TierRow>& rows, const std::string& model) {
  LineChart chart{.title = absl::StrCat("Fast units' share of ", model, "'s tokens"),
                  .x_label = "share of the tokens that fast units may decode, %",
                  .y_label = "%"};
  const auto add = [&](const char* name, const char* unit, double TierRow::*field) {
    double largest = 0;
    for (const TierRow& row : rows) largest = std::max(largest, row.*field);
    LineChart::Series series{
        .name = unit == nullptr ? name : fmt::format("{} (100 % = {:.3g} {})", name, largest, unit),
        .marked = true};
    const double scale = unit == nullptr ? 1 : std::max(largest, 1e-300);
    for (const TierRow& row : rows) {
      series.points.push_back({100 * row.share, 100 * row.*field / scale});
    }
    chart.series.push_back(std::move(series));
  };
  add("goodput", nullptr, &TierRow::goodput);
  add("cost", "$/M tokens", &TierRow::usd);
  add("energy", "J/token", &TierRow::joules);
  add("TTFT p99", "ms", &TierRow::ttft_p99_ms);
  return DrawLines(chart);
}

// Sets the rule of the model's fast tier.
absl::StatusOr<std::vector<Variant>> VariantsOf(const std::vector<double>& shares, size_t model,
                                                bool spill) {
  std::vector<Variant> variants;
  for (const double share : shares) {
    Variant variant;
    variant.index = variants.size();
    variant.label = fmt::format("share {:.6g}", share);
    variant.overrides.emplace_back(
        absl::StrCat("models.", model, ".scheduling.fast_tier"),
        fmt::format("{{who: share, share: {:.17g}, default_spills: {}, priority_spills: {}, "
                    "slow_spills: {}}}",
                    share, spill, spill, spill));
    variants.push_back(std::move(variant));
  }
  return variants;
}

absl::Status CheckTiers(const json::object& report, const std::string& model) {
  bool fast = false, slow = false;
  for (const json::value& device : report.at("devices").as_array()) {
    const json::value* tier = device.as_object().if_contains("tier");
    if (tier == nullptr || device.at("model").as_string() != model) continue;
    (tier->as_string() == "fast" ? fast : slow) = true;
  }
  if (fast && slow) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "model \"", model, "\" has no ", fast ? "slow" : "fast",
      " decode units; tiers need an entry of wafers and one of accelerators in decode, "
      "or entries with tier: fast and tier: slow"));
}

absl::Status SimTiers(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const std::vector<double> shares, SharesOf(arguments.Text("share")));
  WL_ASSIGN_OR_RETURN(const std::unique_ptr<SimInput> read, ReadSimInput(arguments));
  WL_ASSIGN_OR_RETURN(const fleet::FleetConfig config,
                      fleet::ParseFleetConfig(arguments.Text("config"), read->input.config));
  const std::string& named = read->input.settings.model;
  const auto lane = std::find_if(config.models.begin(), config.models.end(), [&](const auto& one) {
    return named.empty() || one.model == named;
  });
  if (lane == config.models.end()) {
    return UsageError("--model: the fleet has no model \"" + named + "\"");
  }
  WL_ASSIGN_OR_RETURN(std::vector<Variant> variants,
                      VariantsOf(shares, lane - config.models.begin(), arguments.Has("spill")));
  WL_RETURN_IF_ERROR(RunAll(read->input, arguments.Integer("threads"), nullptr, &variants));
  std::vector<TierRow> rows;
  json::array documents;
  for (size_t i = 0; i < variants.size(); ++i) {
    WL_RETURN_IF_ERROR(variants[i].status);
    WL_RETURN_IF_ERROR(CheckTiers(variants[i].report, lane->model));
    rows.push_back(RowOf(shares[i], variants[i].report));
    documents.push_back(RowJson(rows.back()));
  }
  if (arguments.Has("svg")) {
    WL_RETURN_IF_ERROR(WriteFile(arguments.Text("svg"), Picture(rows, lane->model)));
  }
  if (arguments.json()) {
    return PutReport(arguments, {{"model", lane->model}, {"rows", std::move(documents)}});
  }
  PrintRows(rows);
  return absl::OkStatus();
}

}  // namespace

Command SimTiersCommand() {
  std::vector<Flag> flags = SimFlags();
  flags.push_back(
      TextFlag("share", "FROM:TO:STEP", "of all answers' tokens that the fast units may decode")
          .Default("0:1:0.1"));
  flags.push_back(Switch("spill", "room in the other tier is taken when there is none in the own"));
  flags.push_back(OutputFlag("svg", "also draw goodput, cost, energy and TTFT over the share"));
  flags.push_back(IntegerFlag("threads", "N", "runs at a time", {1, 1024})
                      .Default(std::max(1u, std::thread::hardware_concurrency())));
  return {.words = "sim tiers",
          .summary = "Vary the share that fast decode units serve, and show speed, cost and energy",
          .operands = {ReportOperand()},
          .flags = std::move(flags),
          .examples = {"waferctl sim tiers --config deploy/config/fleets/tiers-70b.yaml --trace "
                       "deploy/traces/chat-sample.jsonl --goodput ttft:2000,tpot:50"},
          .run = SimTiers};
}

}  // namespace waferline::cli
