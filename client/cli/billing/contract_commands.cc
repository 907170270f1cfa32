// waferctl contract ...: a contract's months, obligations, loan, warrant; concentration of
// customers.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <map>

#include "absl/strings/str_cat.h"
#include "client/cli/billing/billing_commands.h"
#include "client/cli/billing/contract_flags.h"
#include "client/cli/billing/contract_json.h"
#include "client/cli/billing/contract_pictures.h"
#include "client/cli/frame/output.h"
#include "server/contracts/capacity.h"
#include "server/contracts/concentration.h"
#include "server/contracts/schedule.h"
#include "server/contracts/warrant.h"
#include "wafer_backend/base/command_line/arguments.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;
using namespace contracts;  // NOLINT: every name of this file is of it

constexpr size_t kMaxCsvBytes = 16 << 20;
constexpr int64_t kKwPerMw = 1000;

std::string MarkText(const Fact& fact) {
  const std::string range =
      fact.low < fact.high ? fmt::format(" ({} to {})", fact.low, fact.high) : "";
  return fmt::format("{}{} [{}] {}", fact.value, range, static_cast<char>(fact.mark), fact.source);
}

absl::StatusOr<Multiplier> ShareOf(const Arguments& arguments, const char* flag) {
  const absl::StatusOr<Multiplier> share = Multiplier::Parse(arguments.Text(flag));
  if (share.ok()) return share;
  return UsageError(absl::StrCat("--", flag, ": ", std::string(share.status().message())));
}

absl::StatusOr<Month> MonthFlag(const Arguments& arguments, const char* flag, Month otherwise) {
  if (!arguments.Has(flag)) return otherwise;
  const absl::StatusOr<Month> month = ParseMonth(arguments.Text(flag));
  if (month.ok()) return month;
  return UsageError(absl::StrCat("--", flag, ": ", std::string(month.status().message())));
}

absl::StatusOr<Schedule> ReadSchedule(const Arguments& arguments, const Contract& contract) {
  Conduct conduct;
  WL_ASSIGN_OR_RETURN(conduct.used, ShareOf(arguments, "used"));
  WL_ASSIGN_OR_RETURN(conduct.available, ShareOf(arguments, "available"));
  if (conduct.available > Multiplier()) return UsageError("--available: must lie in [0, 1]");
  return ScheduleOf(contract, conduct);
}

void PrintAssumptions(const Contract& contract) {
  Print("assumed: kW a system {}\n         term, months {}\n", MarkText(contract.kw_per_system),
        MarkText(contract.term_months));
  if (contract.facility) Print("         PUE {}\n", MarkText(contract.pue));
}

void AddTo(ScheduleMonth* sum, const ScheduleMonth& row) {
  sum->committed += row.committed;
  sum->used += row.used;
  sum->billed += row.billed;
  sum->credit += row.credit;
  sum->pass_through += row.pass_through;
  sum->contra_revenue += row.contra_revenue;
  sum->recognised += row.recognised;
  sum->cash_in += row.cash_in;
  sum->systems = row.systems;
  sum->delivered_kw = row.delivered_kw;
  sum->obligations = row.obligations;
}

void PrintSchedule(const Contract& contract, const std::vector<ScheduleMonth>& months) {
  PrintAssumptions(contract);
  std::map<int, ScheduleMonth> years;
  for (const ScheduleMonth& row : months) AddTo(&years[row.month.year], row);
  Table table({"$M", "MW delivered", "systems", "committed", "used", "billed", "credits",
               "passed through", "contra", "recognised", "obligations", "cash in"});
  for (const auto& [year, sum] : years) {
    table.Add({absl::StrCat(year), fmt::format("{:.1f}", sum.delivered_kw / 1e3),
               absl::StrCat(sum.systems), Millions(sum.committed), Millions(sum.used),
               Millions(sum.billed), Millions(sum.credit), Millions(sum.pass_through),
               Millions(sum.contra_revenue), Millions(sum.recognised), Millions(sum.obligations),
               Millions(sum.cash_in)});
  }
  table.Print();
}

absl::Status RunSchedule(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const Contract contract, ReadContract(arguments));
  WL_ASSIGN_OR_RETURN(Schedule schedule, ReadSchedule(arguments, contract));
  WL_ASSIGN_OR_RETURN(const Month from,
                      MonthFlag(arguments, "from", schedule.months.front().month));
  WL_ASSIGN_OR_RETURN(const Month to, MonthFlag(arguments, "to", schedule.months.back().month));
  std::erase_if(schedule.months,
                [&](const ScheduleMonth& row) { return row.month < from || row.month > to; });
  if (schedule.months.empty()) return UsageError("--from, --to: the contract has no month there");
  if (arguments.Has("svg")) {
    WL_RETURN_IF_ERROR(WriteFile(arguments.Text("svg"), DrawSchedule(contract, schedule)));
  }
  if (arguments.json()) {
    PrintText(JsonText(ScheduleJson(contract, schedule)) + "\n");
  } else {
    PrintSchedule(contract, schedule.months);
  }
  return absl::OkStatus();
}

// What was published of the obligations, and what this contract says for the same day.
void PrintDisclosures(const Contract& contract, const Schedule& schedule) {
  if (contract.disclosed.empty()) return;
  Table table({"at", "1 to 24, %", "here", "25 to 48, %", "here", "later, %", "here"});
  for (const Disclosure& published : contract.disclosed) {
    const Obligations due = ObligationsAt(schedule, published.at);
    const auto here = [&due](Cents part) {
      return fmt::format("{:.1f}", 100 * part.as_double() / std::max(1.0, due.total.as_double()));
    };
    table.Add({published.at.Text(), fmt::format("{}", published.next_two_years),
               here(due.next_two_years), fmt::format("{}", published.two_after),
               here(due.two_after), fmt::format("{}", published.later), here(due.later)});
  }
  Print("published of the obligations at a month's begin, and this contract's:\n");
  table.Print();
}

absl::Status RunRpo(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const Contract contract, ReadContract(arguments));
  WL_ASSIGN_OR_RETURN(const Schedule schedule, ScheduleOf(contract, {}));
  WL_ASSIGN_OR_RETURN(const Month at, MonthFlag(arguments, "at", contract.delivery.from));
  const Obligations due = ObligationsAt(schedule, at);
  if (arguments.Has("svg")) {
    WL_RETURN_IF_ERROR(WriteFile(arguments.Text("svg"), DrawObligations(contract, schedule, at)));
  }
  const auto percent = [&due](Cents part) {
    return 100 * part.as_double() / std::max(1.0, due.total.as_double());
  };
  if (arguments.json()) {
    PrintText(JsonText(json::object{
                  {"contract", contract.name},
                  {"at", at.Text()},
                  {"term_months", contract.term_months.value},
                  {"total_usd", FormatCents(due.total)},
                  {"next_24_months_usd", FormatCents(due.next_two_years)},
                  {"months_25_to_48_usd", FormatCents(due.two_after)},
                  {"later_usd", FormatCents(due.later)},
                  {"percent", json::array{percent(due.next_two_years), percent(due.two_after),
                                          percent(due.later)}}}) +
              "\n");
    return absl::OkStatus();
  }
  PrintAssumptions(contract);
  Print("obligations at the begin of {}: {} USD\n", at.Text(), FormatCents(due.total));
  Table table({"due in months", "$M", "%"});
  table.Add({"1 to 24", Millions(due.next_two_years),
             fmt::format("{:.1f}", percent(due.next_two_years))});
  table.Add({"25 to 48", Millions(due.two_after), fmt::format("{:.1f}", percent(due.two_after))});
  table.Add({"later", Millions(due.later), fmt::format("{:.1f}", percent(due.later))});
  table.Print();
  PrintDisclosures(contract, schedule);
  return absl::OkStatus();
}

absl::Status RunWarrant(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const Contract contract, ReadSetContract(arguments));
  if (!contract.warrant.has_value()) {
    return absl::NotFoundError(absl::StrCat(contract.name, " has no warrant"));
  }
  const Warrant& warrant = *contract.warrant;
  const int64_t kw =
      arguments.Has("at-mw") ? arguments.Integer("at-mw") * kKwPerMw : contract.committed_kw;
  const int64_t vested = ProbableShares(warrant, kw);
  WL_ASSIGN_OR_RETURN(const Cents value, ValueOf(warrant, vested));
  WL_ASSIGN_OR_RETURN(const Cents all, ValueOf(warrant, warrant.shares));
  if (arguments.json()) {
    PrintText(JsonText(json::object{{"contract", contract.name},
                                    {"mw", static_cast<double>(kw) / kKwPerMw},
                                    {"shares", warrant.shares},
                                    {"vested", vested},
                                    {"vested_usd", FormatCents(value)},
                                    {"all_usd", FormatCents(all)}}) +
              "\n");
    return absl::OkStatus();
  }
  Print("{} shares in {} parts, {} USD at the grant's value\n", warrant.shares,
        warrant.parts.size(), FormatCents(all));
  Print("with {:.1f} MW delivered: {} vested, {} USD\n", static_cast<double>(kw) / kKwPerMw, vested,
        FormatCents(value));
  return absl::OkStatus();
}

absl::Status RunConcentration(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const std::string text, ReadFile(arguments.operand(0), kMaxCsvBytes));
  WL_ASSIGN_OR_RETURN(const auto customers, ParseCustomers(arguments.operand(0), text));
  const std::string without = arguments.Has("without") ? arguments.Text("without") : "";
  WL_ASSIGN_OR_RETURN(const Concentration it,
                      ConcentrationOf(customers, arguments.On("by-group"), without));
  if (arguments.json()) {
    PrintText(JsonText(ConcentrationJson(it)) + "\n");
    return absl::OkStatus();
  }
  Table table({"customer", "revenue, $", "share, %"});
  for (const CustomerShare& row : it.shares) {
    table.Add({row.name, FormatCents(row.revenue), fmt::format("{:.1f}", 100 * row.share)});
  }
  table.Print();
  Print("top two {:.1f} %, HHI {:.4f} to {:.4f} (others many, or one)\n", 100 * it.top(2),
        it.hhi_low, it.hhi_high);
  return absl::OkStatus();
}

Command ScheduleCommand() {
  std::vector<Flag> flags = ContractFlags();
  flags.push_back(TextFlag("from", "MONTH", "the first month, 2026-01"));
  flags.push_back(TextFlag("to", "MONTH", "the last month"));
  flags.push_back(
      TextFlag("used", "SHARE", "of the committed capacity; above 1: more, at the same price")
          .Default("1"));
  flags.push_back(TextFlag("available", "SHARE", "of the hours").Default("1"));
  flags.push_back(OutputFlag("svg", "also write a picture of its months"));
  return {.words = "contract schedule",
          .summary = "What is committed, billed, credited and recognised, by month or year",
          .operands = {ContractOperand()},
          .flags = std::move(flags),
          .examples = {"waferctl contract schedule openai-750mw --used 0.8"},
          .run = RunSchedule};
}

Command RpoCommand() {
  std::vector<Flag> flags = ContractFlags();
  flags.push_back(TextFlag("at", "MONTH", "at its begin; the first delivery's if not given"));
  flags.push_back(OutputFlag("svg", "also write a picture, next to what was disclosed"));
  return {.words = "contract rpo",
          .summary = "Obligations outstanding, by when they fall due",
          .operands = {ContractOperand()},
          .flags = std::move(flags),
          .examples = {"waferctl contract rpo openai-750mw --at 2026-07"},
          .run = RunRpo};
}

}  // namespace

Group ContractGroup() {
  Command warrant{.words = "contract warrant",
                  .summary = "Shares that vest with delivery, and their value",
                  .operands = {ContractOperand()},
                  .flags = {SetFlag(), IntegerFlag("at-mw", "N",
                                                   "when so much is delivered; what is committed "
                                                   "if not given",
                                                   {0, 1'000'000})},
                  .examples = {"waferctl contract warrant openai-750mw --at-mw 750"},
                  .run = RunWarrant};
  Command concentration{
      .words = "contract concentration",
      .summary = "On how few customers revenue rests",
      .operands = {{"FILE", "CSV: customer,revenue_usd[,group]; customer * is all others"}},
      .flags = {Switch("by-group", "related parties count as one"),
                TextFlag("without", "NAME", "as if this customer (group) were lost")},
      .examples = {"waferctl contract concentration customers.csv --by-group"},
      .run = RunConcentration};
  return {.name = "contract",
          .summary = "Contracts over compute capacity",
          .commands = {ScheduleCommand(), RpoCommand(), ContractLoanCommand(), std::move(warrant),
                       std::move(concentration)}};
}

}  // namespace waferline::cli
