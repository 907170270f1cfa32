// waferctl plan tier: what a demand costs while the share that wafers serve goes from none to all.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/charts/page.h"
#include "client/cli/frame/output.h"
#include "client/cli/plan/plan_commands.h"
#include "client/cli/plan/plan_flags.h"
#include "client/cli/plan/plan_page.h"
#include "server/planner/tier.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

constexpr const char* kAsymmetric = "ranges are not symmetric, so P50 is not the plan's own value";

namespace json = boost::json;

constexpr int kMaxShares = 1000;

// "0:1:0.1": from, to, step. Both ends are in.
absl::StatusOr<std::vector<double>> ParseShares(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, ':');
  double from = 0, to = 0, step = 0;
  if (parts.size() != 3 || !absl::SimpleAtod(parts[0], &from) || !absl::SimpleAtod(parts[1], &to) ||
      !absl::SimpleAtod(parts[2], &step) || !(from >= 0) || !(to <= 1) || !(from <= to) ||
      !(step > 0) || !((to - from) / step < kMaxShares)) {
    return UsageError(absl::StrCat("--share: \"", text, "\" is not FROM:TO:STEP with 0 <= FROM <= ",
                                   "TO <= 1 and at most ", kMaxShares, " steps"));
  }
  std::vector<double> shares;
  const auto steps = static_cast<int>(std::floor((to - from) / step + 1e-9));
  for (int i = 0; i <= steps; ++i) shares.push_back(std::min(to, from + step * i));
  return shares;
}

json::object FleetJson(const planner::TierFleet& fleet) {
  return {{"units", fleet.units},
          {"machines", fleet.machines},
          {"tokens_per_second", fleet.tokens_per_second},
          {"utilisation", fleet.utilisation},
          {"usd_per_hour", fleet.usd_per_hour},
          {"mw", fleet.mw}};
}

json::object SpreadJson(double value, const planner::Spread& spread) {
  return {{"value", value}, {"p10", spread.p10}, {"p50", spread.p50}, {"p90", spread.p90}};
}

json::object TierRangeJson(const planner::TierRange& tier) {
  const planner::TierPoint& point = tier.value;
  return {{"share", point.share},
          {"wafers", FleetJson(point.fast)},
          {"gpus", FleetJson(point.rest)},
          {"mw", point.mw()},
          {"usd_per_million_tokens",
           SpreadJson(point.usd_per_million_tokens, tier.usd_per_million_tokens)},
          {"joules_per_million_tokens",
           SpreadJson(point.joules_per_million_tokens, tier.joules_per_million_tokens)}};
}

json::object TierJson(const planner::Plan& plan, const planner::TierRange& own,
                      const std::vector<planner::TierRange>& tiers) {
  json::array rows;
  for (const planner::TierRange& tier : tiers) rows.push_back(TierRangeJson(tier));
  return {{"plan", plan.name},         {"model", plan.finance->models.front().name},
          {"node", plan.demand->node}, {"at_low_latency_share", TierRangeJson(own)},
          {"points", std::move(rows)}, {"parameters", ParametersJson(plan)}};
}

const std::vector<std::string> kColumns = {
    "share", "wafers",     "of them busy",           "nodes",     "of them busy",
    "MW",    "$/M tokens", "P10, P50, P90 of draws", "J/M tokens"};

std::vector<std::vector<std::string>> RowsOf(const std::vector<planner::TierRange>& tiers) {
  std::vector<std::vector<std::string>> rows;
  for (const planner::TierRange& tier : tiers) {
    const planner::TierPoint& point = tier.value;
    rows.push_back(
        {fmt::format("{:.0f} %", 100 * point.share), fmt::format("{}", point.fast.machines),
         fmt::format("{:.0f} %", 100 * point.fast.utilisation),
         fmt::format("{}", point.rest.machines),
         fmt::format("{:.0f} %", 100 * point.rest.utilisation), fmt::format("{:.1f}", point.mw()),
         fmt::format("{:.3f}", point.usd_per_million_tokens),
         fmt::format("{:.3f}, {:.3f}, {:.3f}", tier.usd_per_million_tokens.p10,
                     tier.usd_per_million_tokens.p50, tier.usd_per_million_tokens.p90),
         fmt::format("{:.0f}", point.joules_per_million_tokens)});
  }
  return rows;
}

std::string WhatText(const planner::Plan& plan) {
  return fmt::format("{} on wafers, the rest on nodes of {}; fleets for the busiest hour",
                     plan.finance->models.front().name, plan.demand->node);
}

std::string OwnText(const planner::TierPoint& own) {
  return fmt::format(
      "the plan's own share, {:.3g} %: {} wafers, {} nodes, {:.3f} $ a million tokens",
      100 * own.share, own.fast.machines, own.rest.machines, own.usd_per_million_tokens);
}

void PrintTiers(const planner::Plan& plan, const planner::TierRange& own,
                const std::vector<planner::TierRange>& tiers) {
  Print("{}\n", WhatText(plan));
  Table table(kColumns);
  for (std::vector<std::string>& row : RowsOf(tiers)) table.Add(std::move(row));
  table.Print();
  Print("{}\n{}\n", kAsymmetric, OwnText(own.value));
}

std::string TierPage(const planner::Plan& plan, const planner::TierRange& own,
                     const std::vector<planner::TierRange>& tiers) {
  Page page("Tiers of " + plan.title);
  page.Heading("What is assumed");
  page.Paragraph(WhatText(plan) + ".");
  std::vector<std::vector<std::string>> assumed;
  for (const planner::Parameter& parameter : plan.parameters) {
    if (!parameter.name.starts_with("demand.") && !parameter.name.starts_with("serving.")) continue;
    const Fact& fact = parameter.fact;
    assumed.push_back({parameter.name, fmt::format("{:.6g}", fact.value),
                       fmt::format("{:.6g} to {:.6g}", fact.low, fact.high),
                       std::string(1, static_cast<char>(fact.mark)), fact.source});
  }
  page.Table({"parameter", "value", "range", "mark", "source"}, assumed);
  page.Heading("What it costs");
  page.Picture(DrawTiers(plan, tiers), OwnText(own.value) + ".");
  page.Table(kColumns, RowsOf(tiers));
  page.Paragraph(std::string(kAsymmetric) + ".");
  return page.Finish();
}

absl::Status RunTier(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const planner::Plan plan, ReadPlan(arguments));
  WL_ASSIGN_OR_RETURN(const std::vector<double> shares, ParseShares(arguments.Text("share")));
  if (!plan.demand) {
    return UsageError(plan.name + ": has no demand; server/planner/demand.h shows the section");
  }
  const auto runs = static_cast<int>(arguments.Integer("runs"));
  const auto seed = static_cast<uint64_t>(arguments.Integer("seed"));
  const double own_share = plan.BaseValues()[plan.demand->low_latency_share.index];
  const planner::TierRange own = planner::TierRangeAt(plan, own_share, runs, seed);
  std::vector<planner::TierRange> tiers;
  for (const double share : shares) {
    tiers.push_back(planner::TierRangeAt(plan, share, runs, seed));
  }
  if (arguments.Has("svg")) {
    WL_RETURN_IF_ERROR(WriteFile(arguments.Text("svg"), DrawTiers(plan, tiers)));
  }
  if (arguments.Has("html")) {
    WL_RETURN_IF_ERROR(WriteFile(arguments.Text("html"), TierPage(plan, own, tiers)));
  }
  if (arguments.json()) {
    PrintText(JsonText(TierJson(plan, own, tiers)) + "\n");
  } else {
    PrintTiers(plan, own, tiers);
  }
  return absl::OkStatus();
}

}  // namespace

Command PlanTierCommand() {
  std::vector<Flag> flags = PlanFlags();
  flags.push_back(
      TextFlag("share", "FROM:TO:STEP", "of the tokens, that wafers serve").Default("0:1:0.1"));
  flags.push_back(IntegerFlag("runs", "N", "draws for the ranges", {1, 100'000}).Default(200));
  flags.push_back(IntegerFlag("seed", "N", "of the draws", {0, int64_t{1} << 62}).Default(1));
  flags.push_back(OutputFlag("svg", "also write a picture"));
  flags.push_back(OutputFlag("html", "also write a report with the picture"));
  return {.words = "plan tier",
          .summary = "What a demand costs as more of it is served by wafers, the rest by GPUs",
          .operands = {PlanOperand()},
          .flags = std::move(flags),
          .examples = {"waferctl plan tier 750mw --share 0:1:0.1",
                       "waferctl plan tier 750mw --set demand.peak_over_mean=2 --svg tier.svg"},
          .run = RunTier};
}

}  // namespace waferline::cli
