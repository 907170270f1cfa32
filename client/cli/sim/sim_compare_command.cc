// waferctl sim compare: what differs between two reports.
#include <fmt/format.h>

#include <boost/json.hpp>

#include "absl/strings/str_cat.h"
#include "client/cli/frame/output.h"
#include "client/cli/sim/sim_commands.h"
#include "scheduler/simulator/report_json.h"
#include "wafer_backend/base/command_line/arguments.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

absl::StatusOr<boost::json::object> ReadReport(const std::string& path) {
  WL_ASSIGN_OR_RETURN(const std::string text, ReadFileOrPipe(path));
  boost::system::error_code error;
  boost::json::value value = boost::json::parse(text, error);
  if (error || !value.is_object() || !value.as_object().contains("receipt")) {
    return absl::InvalidArgumentError(path + ": not a report of waferctl sim --json");
  }
  // How long the run itself took is never the same.
  value.as_object().erase("run");
  return std::move(value.as_object());
}

absl::Status CompareReports(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const boost::json::object a, ReadReport(arguments.operand(0)));
  WL_ASSIGN_OR_RETURN(const boost::json::object b, ReadReport(arguments.operand(1)));
  const std::vector<simulator::Difference> differences = simulator::Compare(a, b);
  if (arguments.json()) {
    boost::json::array out;
    for (const simulator::Difference& d : differences) {
      out.push_back({{"field", d.field}, {"a", d.a}, {"b", d.b}, {"relative", d.relative}});
    }
    PrintText(simulator::Pretty(
        boost::json::object{{"same", differences.empty()}, {"differences", std::move(out)}}));
    return absl::OkStatus();
  }
  if (differences.empty()) {
    Print("the same\n");
    return absl::OkStatus();
  }
  Table table({"field", "first", "second", "change"});
  for (const simulator::Difference& d : differences) {
    table.Add({d.field, d.a.empty() ? "-" : d.a, d.b.empty() ? "-" : d.b,
               d.relative == 0 ? "" : fmt::format("{:+.2f} %", 100 * d.relative)});
  }
  table.Print();
  return absl::OkStatus();
}

}  // namespace

Command SimCompareCommand() {
  return {.words = "sim compare",
          .summary = "Show what differs between two reports of 'waferctl sim --json'",
          .operands = {{"A.json", "the first report"}, {"B.json", "the second report"}},
          .examples = {"waferctl sim compare before.json after.json"},
          .run = CompareReports};
}

}  // namespace waferline::cli
