#include "wafer_backend/base/latency_objectives.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "wafer_backend/base/strings.h"

namespace waferline {
namespace {

struct Name {
  std::string_view name;
  Nanoseconds LatencyObjectives::*objective;
};
constexpr Name kNames[] = {{"ttft", &LatencyObjectives::ttft},
                           {"tpot", &LatencyObjectives::tpot},
                           {"e2e", &LatencyObjectives::e2e},
                           {"e2el", &LatencyObjectives::e2e}};

}  // namespace

bool LatencyObjectives::Met(Nanoseconds ttft_of, Nanoseconds tpot_of, Nanoseconds e2e_of) const {
  const auto within = [](Nanoseconds value, Nanoseconds bound) {
    return bound == Nanoseconds() || value <= bound;
  };
  return within(ttft_of, ttft) && within(tpot_of, tpot) && within(e2e_of, e2e);
}

absl::StatusOr<LatencyObjectives> ParseLatencyObjectives(std::string_view text) {
  LatencyObjectives objectives;
  for (const absl::string_view item : absl::StrSplit(Absl(text), ',')) {
    const std::vector<absl::string_view> parts = absl::StrSplit(item, absl::MaxSplits(':', 1));
    double ms = 0;
    if (parts.size() != 2 || !absl::SimpleAtod(parts[1], &ms) || !(ms > 0 && ms < 1e9)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "\"", item, "\" must be NAME:MILLISECONDS with more than 0, as in ttft:200,tpot:50"));
    }
    const Name* const found = std::find_if(std::begin(kNames), std::end(kNames),
                                           [&](const Name& n) { return n.name == Std(parts[0]); });
    if (found == std::end(kNames)) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", parts[0], "\" must be one of: ttft, tpot, e2e (or e2el)"));
    }
    Nanoseconds& objective = objectives.*found->objective;
    if (objective > Nanoseconds()) {
      return absl::InvalidArgumentError(absl::StrCat(parts[0], " is given twice"));
    }
    objective = Nanoseconds(std::max<int64_t>(1, std::llround(ms * 1e6)));
  }
  return objectives;
}

}  // namespace waferline
