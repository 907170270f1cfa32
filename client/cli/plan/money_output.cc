#include "client/cli/plan/money_output.h"

#include <fmt/format.h>

#include "client/cli/frame/output.h"
#include "server/planner/customers.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;
using planner::ModelCost;
using planner::MonthMoney;

struct Line {
  const char* name;
  int64_t MonthMoney::*field;
};
// Flows of a month, summed over a year.
constexpr Line kFlows[] = {{"system_hours", &MonthMoney::system_hours},
                           {"contracted_hours", &MonthMoney::contracted_hours},
                           {"contracted", &MonthMoney::contracted},
                           {"passed_through", &MonthMoney::passed_through},
                           {"spot", &MonthMoney::spot},
                           {"contra", &MonthMoney::contra},
                           {"electricity", &MonthMoney::electricity},
                           {"lease", &MonthMoney::lease},
                           {"staff", &MonthMoney::staff},
                           {"depreciation", &MonthMoney::depreciation},
                           {"written_off", &MonthMoney::written_off},
                           {"collected", &MonthMoney::collected},
                           {"paid_in", &MonthMoney::paid_in},
                           {"prepaid", &MonthMoney::prepaid},
                           {"paid_at_delivery", &MonthMoney::paid_at_delivery},
                           {"plant_capex", &MonthMoney::plant_capex},
                           {"placed_in_service", &MonthMoney::placed_in_service}};
// At a month's end.
constexpr Line kBalance[] = {{"cash", &MonthMoney::cash},
                             {"receivables", &MonthMoney::receivables},
                             {"inventory", &MonthMoney::inventory},
                             {"property", &MonthMoney::property},
                             {"total_paid_in", &MonthMoney::total_paid_in},
                             {"warrants", &MonthMoney::warrants},
                             {"retained", &MonthMoney::retained}};

json::object MonthJson(const MonthMoney& month) {
  json::object out{{"month", month.month.Text()}};
  for (const Line& line : kFlows) {
    const bool hours = std::string_view(line.name).ends_with("hours");
    out[std::string(line.name) + (hours ? "" : "_cents")] = month.*line.field;
  }
  out["revenue_cents"] = month.revenue();
  out["operating_income_cents"] = month.operating_income();
  for (const Line& line : kBalance) out[std::string(line.name) + "_cents"] = month.*line.field;
  return out;
}

std::string Millions(int64_t cents) {
  return fmt::format("{:.1f}", static_cast<double>(cents) * 1e-8);
}

void PrintYears(const planner::MoneyRun& run) {
  Table table({"million $", "contracted", "passed", "tokens", "contra", "revenue", "power", "lease",
               "staff", "deprec.", "income", "systems, halls", "cash at end"});
  for (const YearMoney& year : YearsOf(run)) {
    const MonthMoney& m = year.sum;
    table.Add({fmt::format("{}", year.year), Millions(m.contracted), Millions(m.passed_through),
               Millions(m.spot), Millions(-m.contra), Millions(m.revenue()),
               Millions(-m.electricity), Millions(-m.lease), Millions(-m.staff),
               Millions(-m.depreciation), Millions(m.operating_income()),
               Millions(-m.prepaid - m.paid_at_delivery - m.plant_capex), Millions(m.cash)});
  }
  table.Print();
}

void PrintCustomers(const std::vector<planner::CustomerYear>& years) {
  Table table({"", "largest customer", "% of revenue", "HHI"},
              {Table::Align::kLeft, Table::Align::kLeft, Table::Align::kRight});
  for (const planner::CustomerYear& year : years) {
    if (year.revenue.shares.empty()) continue;
    const contracts::CustomerShare& first = year.revenue.shares.front();
    table.Add({fmt::format("{}", year.year), first.name, fmt::format("{:.1f}", 100 * first.share),
               fmt::format("{:.3f}", year.revenue.hhi_low)});
  }
  table.Print();
}

json::array CustomersJson(const std::vector<planner::CustomerYear>& years) {
  json::array out;
  for (const planner::CustomerYear& year : years) {
    json::array customers;
    for (const contracts::CustomerShare& one : year.revenue.shares) {
      customers.push_back(
          {{"name", one.name}, {"revenue_cents", one.revenue.count()}, {"share", one.share}});
    }
    out.push_back({{"year", year.year},
                   {"revenue_cents", year.revenue.total.count()},
                   {"customers", std::move(customers)},
                   {"hhi", year.revenue.hhi_low}});
  }
  return out;
}

}  // namespace

std::vector<YearMoney> YearsOf(const planner::MoneyRun& run) {
  std::vector<YearMoney> years;
  for (const MonthMoney& month : run.months) {
    if (years.empty() || years.back().year != month.month.year) {
      years.push_back({month.month.year, {.month = month.month}});
    }
    MonthMoney& sum = years.back().sum;
    for (const Line& line : kFlows) sum.*line.field += month.*line.field;
    for (const Line& line : kBalance) sum.*line.field = month.*line.field;
  }
  return years;
}

std::vector<ModelRange> ModelRanges(const planner::Plan& plan, const planner::Values& values) {
  planner::Values low = values, high = values;
  for (const planner::ServedModel& model : plan.finance->models) {
    const uint32_t index = model.tokens_per_second.index;
    low[index] = plan.parameters[index].fact.low;
    high[index] = plan.parameters[index].fact.high;
  }
  const std::vector<ModelCost> at_value = planner::CostsOfModels(plan, values),
                               at_low = planner::CostsOfModels(plan, low),
                               at_high = planner::CostsOfModels(plan, high);
  std::vector<ModelRange> ranges;
  for (size_t i = 0; i < at_value.size(); ++i) {
    ranges.push_back({at_value[i], at_low[i], at_high[i]});
  }
  return ranges;
}

void PrintMoney(const planner::Plan& plan, const planner::MoneyRun& run) {
  const planner::Values values = plan.BaseValues();
  PrintYears(run);
  if (run.peak_cash_need > 0) {
    Print("peak cash need, before what is paid in: {} million $ at the end of {}\n",
          Millions(run.peak_cash_need), run.peak_cash_month.Text());
  } else {
    Print("cash never runs out, even without what is paid in\n");
  }
  const planner::SystemHour hour = planner::CostOfSystemHour(plan, values);
  Print(
      "a system-hour costs {:.2f} $: depreciation {:.2f}, electricity {:.2f}, lease {:.2f}, "
      "staff {:.2f}; it is sold for {:.2f}\n",
      hour.total(), hour.depreciation, hour.electricity, hour.lease, hour.staff,
      values[plan.finance->price_usd_per_system_hour.index]);
  PrintCustomers(planner::CustomersOf(plan, values, run));
  Table suppliers({"of a system's cost", "$", "%"});
  for (const planner::SupplierShare& s : planner::SupplierShares(plan, values)) {
    suppliers.Add({s.supplier, fmt::format("{:.0f}", s.usd), fmt::format("{:.1f}", 100 * s.share)});
  }
  suppliers.Print();
  Table models({"model", "tokens/s a system", "$ a million", "joules a million"});
  for (const ModelRange& m : ModelRanges(plan, values)) {
    models.Add({m.value.model,
                fmt::format("{:.0f} ({:.0f} to {:.0f})", m.value.tokens_per_second,
                            m.low.tokens_per_second, m.high.tokens_per_second),
                fmt::format("{:.3f} ({:.3f} to {:.3f})", m.value.usd_per_million,
                            m.high.usd_per_million, m.low.usd_per_million),
                fmt::format("{:.0f}", m.value.joules_per_million)});
  }
  models.Print();
}

void AddMoneyJson(const planner::Plan& plan, const planner::MoneyRun& run, json::object* document) {
  const planner::Values values = plan.BaseValues();
  json::array months, models;
  for (const MonthMoney& month : run.months) months.push_back(MonthJson(month));
  for (const ModelRange& m : ModelRanges(plan, values)) {
    models.push_back({{"model", m.value.model},
                      {"tokens_per_second_a_system",
                       {{"value", m.value.tokens_per_second},
                        {"low", m.low.tokens_per_second},
                        {"high", m.high.tokens_per_second}}},
                      {"usd_per_million_tokens",
                       {{"value", m.value.usd_per_million},
                        {"low", m.high.usd_per_million},
                        {"high", m.low.usd_per_million}}},
                      {"joules_per_million_tokens", m.value.joules_per_million}});
  }
  const planner::SystemHour hour = planner::CostOfSystemHour(plan, values);
  (*document)["months"] = std::move(months);
  (*document)["peak_cash_need_cents"] = run.peak_cash_need;
  (*document)["peak_cash_month"] =
      run.peak_cash_need > 0 ? json::value(run.peak_cash_month.Text()) : json::value();
  (*document)["usd_per_system_hour"] = {{"total", hour.total()},
                                        {"depreciation", hour.depreciation},
                                        {"electricity", hour.electricity},
                                        {"lease", hour.lease},
                                        {"staff", hour.staff}};
  (*document)["models"] = std::move(models);
  (*document)["concentration"] = CustomersJson(planner::CustomersOf(plan, values, run));
  json::array suppliers;
  for (const planner::SupplierShare& s : planner::SupplierShares(plan, values)) {
    suppliers.push_back({{"supplier", s.supplier}, {"usd", s.usd}, {"share", s.share}});
  }
  (*document)["suppliers_of_a_system"] = std::move(suppliers);
}

}  // namespace waferline::cli
