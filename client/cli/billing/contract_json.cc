#include "client/cli/billing/contract_json.h"

#include <boost/json.hpp>

#include "server/contracts/capacity.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;
using contracts::ScheduleMonth;

json::object FactJson(const char* parameter, const Fact& fact) {
  return {{"parameter", parameter},
          {"value", fact.value},
          {"low", fact.low},
          {"high", fact.high},
          {"mark", std::string(1, static_cast<char>(fact.mark))},
          {"source", fact.source}};
}

json::object MonthJson(const ScheduleMonth& row) {
  return {{"month", row.month.Text()},
          {"mw", static_cast<double>(row.twice_kw) / 2000},
          {"mw_delivered", static_cast<double>(row.delivered_kw) / 1000},
          {"systems", row.systems},
          {"committed_usd", FormatCents(row.committed)},
          {"used_usd", FormatCents(row.used)},
          {"unused_usd", FormatCents(row.unused)},
          {"billed_usd", FormatCents(row.billed)},
          {"credit_usd", FormatCents(row.credit)},
          {"pass_through_usd", FormatCents(row.pass_through)},
          {"contra_revenue_usd", FormatCents(row.contra_revenue)},
          {"recognised_usd", FormatCents(row.recognised)},
          {"rpo_usd", FormatCents(row.obligations)},
          {"loan", LoanJson(row.loan)},
          {"warrant_vested", row.warrant_vested},
          {"cash_in_usd", FormatCents(row.cash_in)}};
}

}  // namespace

json::object LoanJson(const contracts::LoanMonth& row) {
  return {{"month", row.month.Text()},
          {"opening_usd", FormatCents(row.opening)},
          {"drawn_usd", FormatCents(row.drawn)},
          {"repaid_cash_usd", FormatCents(row.repaid_cash)},
          {"repaid_capacity_usd", FormatCents(row.repaid_capacity)},
          {"accrued_usd", FormatCents(row.accrued)},
          {"waived_usd", FormatCents(row.waived)},
          {"paid_usd", FormatCents(row.paid)},
          {"owed_usd", FormatCents(row.owed)},
          {"closing_usd", FormatCents(row.closing)}};
}

json::object ScheduleJson(const contracts::Contract& contract,
                          const contracts::Schedule& schedule) {
  json::array months;
  for (const ScheduleMonth& row : schedule.months) months.push_back(MonthJson(row));
  json::array sources = {FactJson("kw_per_system", contract.kw_per_system),
                         FactJson("pue", contract.pue),
                         FactJson("term_months", contract.term_months)};
  return {{"contract", contract.name},
          {"buyer", contract.buyer},
          {"group", contract.group},
          {"basis", contract.facility ? "facility" : "it"},
          {"systems", SystemsPromised(contract, contract.committed_kw)},
          {"systems_within", SystemsWithin(contract, contract.committed_kw)},
          {"total_usd", FormatCents(schedule.total)},
          {"months", std::move(months)},
          {"sources", std::move(sources)}};
}

json::object ConcentrationJson(const contracts::Concentration& concentration) {
  json::array shares;
  for (const contracts::CustomerShare& row : concentration.shares) {
    shares.push_back(
        {{"customer", row.name}, {"revenue_usd", FormatCents(row.revenue)}, {"share", row.share}});
  }
  return {{"total_usd", FormatCents(concentration.total)},
          {"shares", std::move(shares)},
          {"top_two", concentration.top(2)},
          {"top_three", concentration.top(3)},
          {"hhi_low", concentration.hhi_low},
          {"hhi_high", concentration.hhi_high}};
}

}  // namespace waferline::cli
