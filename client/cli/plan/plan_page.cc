#include "client/cli/plan/plan_page.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "client/cli/charts/page.h"
#include "client/cli/plan/money_output.h"
#include "client/cli/plan/plan_flags.h"

namespace waferline::cli {
namespace {

using Rows = std::vector<std::vector<std::string>>;

constexpr int kRuns = 500;
constexpr const char* kSwings =
    "One parameter at a time: blue at the low end of its range, orange at the high end, which the "
    "numbers give.";
constexpr uint64_t kSeed = 1;

std::string Billions(int64_t cents) {
  return fmt::format("{:.2f}", static_cast<double>(cents) * 1e-11);
}

// The guesses that matter first: by their swing of the shortfall.
void AddAssumptions(const planner::Plan& plan, Page* page) {
  page->Heading("What is assumed");
  size_t stated = 0, guesses = 0;
  for (const planner::Parameter& parameter : plan.parameters) {
    stated += parameter.stated;
    guesses += parameter.stated && parameter.fact.mark == Mark::kUnknown;
  }
  page->Paragraph(fmt::format(
      "{} of {} parameters are not public (mark ?): their values and ranges are ours. P: published "
      "by the firm or in a filing; S: press and analysts; D: arithmetic on others. Left out: "
      "taxes, "
      "interest, loans, warranty, the value of parts in stock. Draws are independent of each "
      "other.",
      guesses, stated));
  Rows rows;
  for (const planner::Parameter& parameter : plan.parameters) {
    if (!parameter.stated) continue;
    const Fact& fact = parameter.fact;
    rows.push_back(
        {parameter.name, fmt::format("{:.10g}", fact.value),
         fact.low < fact.high ? fmt::format("{:.10g} to {:.10g}", fact.low, fact.high) : "",
         std::string(1, static_cast<char>(fact.mark)), fact.source});
  }
  page->Table({"parameter", "value", "range", "mark", "source"}, rows);
}

std::string BindingOrder(const PlanStudy& study) {
  std::vector<std::string> names;
  for (const BindingSpan& span : BindingSpans(study.supply)) {
    names.push_back(BindingText(study.plan, span.binding));
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

void AddBreaks(const PlanStudy& study, Page* page) {
  page->Heading("What breaks first");
  page->Paragraph(
      "A stop that begins in week 26. Slack: the longest that misses no week; then MW-months "
      "missed by stops of 4, 13 and 26 weeks. A row with ? rests on so many guesses: parameters "
      "that are not public.");
  Rows rows;
  for (const planner::Break& row : study.breaks) {
    rows.push_back(
        {row.guesses.empty() ? row.name : row.name + " ?",
         row.slack_weeks >= study.plan.weeks ? "any" : fmt::format("{}", row.slack_weeks),
         fmt::format("{:.0f}", row.mw_months[0]), fmt::format("{:.0f}", row.mw_months[1]),
         fmt::format("{:.0f}", row.mw_months[2]), fmt::format("{}", row.guesses.size())});
  }
  page->Table({"stage", "slack, weeks", "4 weeks", "13 weeks", "26 weeks", "guesses"}, rows);
}

void AddMoney(const PlanStudy& study, Page* page) {
  page->Heading("Money");
  page->Picture(
      DrawCash(study),
      fmt::format("{} runs with every parameter drawn from its range (triangular, "
                  "independent). The plan takes the parameters' own values, which are not "
                  "in the middle of their ranges.",
                  study.mc.runs));
  page->Picture(DrawYears(study),
                "Depreciation is not cash: the cash went out when systems were "
                "built and delivered.");
  Rows years;
  for (const YearMoney& year : YearsOf(study.money)) {
    const planner::MonthMoney& m = year.sum;
    years.push_back({fmt::format("{}", year.year), Billions(m.revenue() + m.contra),
                     Billions(m.revenue()), Billions(m.operating_income()),
                     Billions(-m.prepaid - m.paid_at_delivery - m.plant_capex), Billions(m.paid_in),
                     Billions(m.cash)});
  }
  page->Table({"billion $", "revenue", "after contra-revenue", "operating income",
               "systems and halls", "paid in", "cash at the end"},
              years);
  page->Picture(DrawRevenue(study), "Contra-revenue is what warrants take off; it is not cash.");
  page->Picture(DrawCustomers(study),
                "HHI: the sum of the squared shares of customers, related ones as one; 1 is one "
                "customer alone.");
  page->Picture(DrawSystemHour(study.plan), "Of a system that is in service all the time.");
  page->Picture(DrawSuppliers(study.plan),
                "Suppliers whose price is not in the plan are in (others).");
  Rows models;
  for (const ModelRange& m : ModelRanges(study.plan, study.plan.BaseValues())) {
    models.push_back({m.value.model,
                      fmt::format("{:.0f} ({:.0f} to {:.0f})", m.value.tokens_per_second,
                                  m.low.tokens_per_second, m.high.tokens_per_second),
                      fmt::format("{:.3f} ({:.3f} to {:.3f})", m.value.usd_per_million,
                                  m.high.usd_per_million, m.low.usd_per_million),
                      fmt::format("{:.0f}", m.value.joules_per_million)});
  }
  page->Table({"model", "tokens a second a system (predicted)", "$ a million tokens",
               "joules a million tokens"},
              models);
  page->Picture(DrawSwings(study.plan, planner::Figure::kSystemHour), kSwings);
  page->Picture(DrawSwings(study.plan, planner::Figure::kPeakCashNeed), kSwings);
}

}  // namespace

PlanStudy StudyForPage(const planner::Plan& plan) {
  const planner::Values values = plan.BaseValues();
  PlanStudy study{.plan = plan,
                  .supply = planner::RunSupply(plan, values),
                  .mc = planner::RunMonteCarlo(plan, kRuns, kSeed, {}),
                  .breaks = planner::StageBreaks(plan, values, {})};
  if (plan.finance) study.money = planner::RunMoney(plan, values, study.supply);
  if (plan.demand) {
    for (int tenth = 0; tenth <= 10; ++tenth) {
      study.tiers.push_back(planner::TierRangeAt(plan, tenth / 10.0, kRuns, kSeed));
    }
  }
  return study;
}

std::string PlanPage(const PlanStudy& study) {
  Page page(study.plan.title);
  AddAssumptions(study.plan, &page);
  page.Heading("Supply");
  page.Picture(DrawOnline(study),
               "The ribbon is the stage that limits the plan, found from the last stage back along "
               "what ran out; in order: " +
                   BindingOrder(study) + ".");
  page.Paragraph(
      fmt::format("All that is promised is online when it is due in {:.1f} % of {} runs.",
                  100 * study.mc.kept_share, study.mc.runs));
  page.Picture(DrawStages(study),
               "A stage's bar: from its first start to its first finish. A "
               "hall's: until so many MW are ready.");
  AddBreaks(study, &page);
  page.Picture(DrawSwings(study.plan, planner::Figure::kShort), kSwings);
  if (study.plan.finance) AddMoney(study, &page);
  if (study.plan.demand) {
    page.Heading("Tiers");
    page.Picture(DrawTiers(study.plan, study.tiers),
                 "Each tier is sized for the busiest hour. The line takes the parameters' own "
                 "values, which are not in the middle of their ranges. The price of answers that "
                 "come late is not in it.");
  }
  return page.Finish();
}

}  // namespace waferline::cli
