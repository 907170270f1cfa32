// waferctl selftest laws: the scheduler against what is known without it.
#include <boost/json.hpp>
#include <cstdio>

#include "client/cli/frame/arguments.h"
#include "client/cli/sim/sim_commands.h"
#include "scheduler/simulator/laws.h"
#include "scheduler/simulator/report_json.h"

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
        printf("%-6s %s\n       expected %s, found %s\n", result.holds ? "holds" : "BROKEN",
               result.law.c_str(), result.expected.c_str(), result.found.c_str());
        fflush(stdout);
      });
  if (arguments.json()) {
    fputs(simulator::Pretty(boost::json::object{{"broken", broken}, {"laws", std::move(out)}})
              .c_str(),
          stdout);
  }
  if (broken == 0) return absl::OkStatus();
  return absl::InternalError(std::to_string(broken) + " laws do not hold");
}

}  // namespace

Command LawsCommand() {
  return {.words = "selftest laws",
          .summary = "Check the scheduler against conservation, Little's law and queueing theory",
          .operands = {},
          .flags = {IntegerFlag("seed", "S", "of the arrivals", 1, 0, INT64_MAX)},
          .run = Laws};
}

}  // namespace waferline::cli
