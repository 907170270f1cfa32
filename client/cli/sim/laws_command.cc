// waferctl selftest laws: the scheduler against what is known without it.
#include <boost/json.hpp>

#include "client/cli/frame/output.h"
#include "client/cli/sim/sim_commands.h"
#include "scheduler/simulator/laws.h"
#include "scheduler/simulator/report_json.h"
#include "wafer_backend/base/command_line/arguments.h"
#include "wafer_backend/base/command_line/stdout_text.h"

namespace waferline::cli {
namespace {

absl::Status Laws(const Arguments& arguments) {
  boost::json::array out;
  int broken = 0;
  simulator::CheckAllLaws(
      static_cast<uint64_t>(arguments.Integer("seed")), [&](const simulator::LawResult& result) {
        broken += !result.holds;
        if (arguments.json()) {
          out.push_back({{"law", result.law},
                         {"expected", result.expected},
                         {"found", result.found},
                         {"holds", result.holds}});
          return;
        }
        Print("{} {}\n       expected {}, found {}\n", result.holds ? "holds " : "BROKEN",
              result.law, result.expected, result.found);
        FlushStdout().IgnoreError();  // each takes seconds; RunProgram says what is wrong
      });
  if (arguments.json()) {
    PrintText(simulator::Pretty(boost::json::object{{"broken", broken}, {"laws", std::move(out)}}));
  }
  if (broken == 0) return absl::OkStatus();
  return absl::InternalError(std::to_string(broken) + " laws do not hold");
}

}  // namespace

Command LawsCommand() {
  return {.words = "selftest laws",
          .summary = "Check the scheduler against conservation, Little's law and queueing theory",
          .flags = {IntegerFlag("seed", "N", "seed of the arrivals", {}).Default(1)},
          .examples = {"waferctl selftest laws"},
          .run = Laws};
}

}  // namespace waferline::cli
