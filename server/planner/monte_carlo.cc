#include "server/planner/monte_carlo.h"

#include <algorithm>
#include <cmath>

#include "server/planner/money.h"
#include "server/planner/supply.h"
#include "wafer_backend/base/name_table.h"
#include "wafer_backend/base/seeded_stream.h"

namespace waferline::planner {
namespace {

constexpr NamedValue<Figure> kNames[] = {{"online_mw_when_due", Figure::kOnlineWhenDue},
                                         {"short_mw_months", Figure::kShort},
                                         {"peak_cash_need_usd", Figure::kPeakCashNeed},
                                         {"operating_income_usd", Figure::kIncome},
                                         {"usd_per_system_hour", Figure::kSystemHour},
                                         {"usd_per_million_tokens", Figure::kMillionTokens}};

double Triangular(const Fact& fact, double uniform) {
  const double width = fact.high - fact.low;
  const double turn = (fact.value - fact.low) / width;  // share of the rising side
  return uniform < turn ? fact.low + std::sqrt(uniform * width * (fact.value - fact.low))
                        : fact.high - std::sqrt((1 - uniform) * width * (fact.high - fact.value));
}

uint64_t HashOfName(const std::string& name) {
  uint64_t hash = 0;
  for (const char c : name) hash = Mix(hash ^ static_cast<unsigned char>(c));
  return hash;
}

struct WholeRun {
  Figures figures{};
  std::vector<double> online_mw;
  MoneyRun money;
  bool kept = false;
};

// The last week before all that is promised is due.
size_t DueWeek(const Plan& plan, const Values& values) {
  double due = 0;
  for (const Promise& promise : plan.promises) due = std::max(due, values[promise.to_week.index]);
  return static_cast<size_t>(std::clamp<long>(std::lround(due), 1, plan.weeks)) - 1;
}

WholeRun RunWhole(const Plan& plan, const Values& values) {
  WholeRun run;
  const auto at = [&run](Figure figure) -> double& {
    return run.figures[static_cast<size_t>(figure)];
  };
  const SupplyRun supply = RunSupply(plan, values);
  const std::vector<double> promised = PromisedMw(plan, values);
  run.online_mw = OnlineMw(plan, values, supply);
  const size_t due = DueWeek(plan, values);
  at(Figure::kOnlineWhenDue) = run.online_mw[due];
  at(Figure::kShort) = ShortMwMonths(promised, run.online_mw);
  run.kept = run.online_mw[due] >= promised[due];
  if (!plan.finance) return run;
  run.money = RunMoney(plan, values, supply);
  at(Figure::kPeakCashNeed) = static_cast<double>(run.money.peak_cash_need) / 100;
  int64_t income = 0;
  for (const MonthMoney& month : run.money.months) income += month.operating_income();
  at(Figure::kIncome) = static_cast<double>(income) / 100;
  at(Figure::kSystemHour) = CostOfSystemHour(plan, values).total();
  at(Figure::kMillionTokens) = CostsOfModels(plan, values).front().usd_per_million;
  return run;
}

}  // namespace

std::string_view Name(Figure figure) { return NameIn(kNames, figure); }
std::vector<std::string_view> FigureNames() { return NamesOf(kNames); }

std::string_view Unit(Figure figure) {
  constexpr std::string_view kUnits[kFigures] = {"MW", "MW-months", "$", "$", "$", "$"};
  return kUnits[static_cast<size_t>(figure)];
}

Figures FiguresOf(const Plan& plan, const Values& values) { return RunWhole(plan, values).figures; }

Spread SpreadOf(std::vector<double> values) {
  Spread spread;
  std::sort(values.begin(), values.end());
  for (const double value : values) spread.mean += value;
  spread.mean /= static_cast<double>(values.size());
  const auto rank = [&](double share) {
    return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1) + 0.5)];
  };
  spread.p10 = rank(0.1);
  spread.p50 = rank(0.5);
  spread.p90 = rank(0.9);
  return spread;
}

Values DrawValues(const Plan& plan, uint64_t seed, uint64_t run) {
  const SeededStream draws = SeededStream(seed).Fork(run);
  Values values = plan.BaseValues();
  for (size_t p = 0; p < values.size(); ++p) {
    const Fact& fact = plan.parameters[p].fact;
    if (fact.low >= fact.high) continue;
    values[p] = Triangular(fact, draws.UniformAt(HashOfName(plan.parameters[p].name)));
  }
  return values;
}

MonteCarlo RunMonteCarlo(const Plan& plan, int runs, uint64_t seed,
                         const std::function<void(int)>& progress) {
  MonteCarlo out{.runs = runs};
  std::vector<std::vector<double>> figures(kFigures), online(static_cast<size_t>(plan.weeks)), cash;
  int kept = 0;
  for (int r = 0; r < runs; ++r) {
    const WholeRun run = RunWhole(plan, DrawValues(plan, seed, static_cast<uint64_t>(r)));
    for (size_t f = 0; f < kFigures; ++f) figures[f].push_back(run.figures[f]);
    for (size_t w = 0; w < online.size(); ++w) online[w].push_back(run.online_mw[w]);
    cash.resize(run.money.months.size());
    for (size_t m = 0; m < cash.size(); ++m) {
      cash[m].push_back(static_cast<double>(run.money.months[m].cash) / 100);
    }
    kept += run.kept;
    if (progress) progress(r + 1);
  }
  for (size_t f = 0; f < kFigures; ++f) out.figures[f] = SpreadOf(std::move(figures[f]));
  for (std::vector<double>& week : online) out.online_mw.push_back(SpreadOf(std::move(week)));
  for (std::vector<double>& month : cash) out.cash_usd.push_back(SpreadOf(std::move(month)));
  out.kept_share = static_cast<double>(kept) / runs;
  return out;
}

std::vector<Swing> Tornado(const Plan& plan, Figure figure) {
  std::vector<Swing> swings;
  Values values = plan.BaseValues();
  const auto at = [&](size_t parameter, double value) {
    const double before = values[parameter];
    values[parameter] = value;
    const double result = FiguresOf(plan, values)[static_cast<size_t>(figure)];
    values[parameter] = before;
    return result;
  };
  for (size_t p = 0; p < plan.parameters.size(); ++p) {
    const Fact& fact = plan.parameters[p].fact;
    if (fact.low >= fact.high) continue;
    swings.push_back({static_cast<uint32_t>(p), at(p, fact.low), at(p, fact.high)});
  }
  const auto width = [](const Swing& swing) { return std::abs(swing.at_high - swing.at_low); };
  std::stable_sort(swings.begin(), swings.end(),
                   [&](const Swing& a, const Swing& b) { return width(a) > width(b); });
  return swings;
}

}  // namespace waferline::planner
