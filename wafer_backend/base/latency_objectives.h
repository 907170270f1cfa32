// What a request's latencies must keep to count as good, as `waferctl sim` and `waferctl bench`
// take it. Plain values, any thread.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "wafer_backend/base/units.h"

namespace waferline {

// 0: no objective of that kind.
struct LatencyObjectives {
  Nanoseconds ttft;  // time to the first token
  Nanoseconds tpot;  // time per output token after it
  Nanoseconds e2e;   // end to end

  bool any() const { return ttft.count() + tpot.count() + e2e.count() > 0; }
  // Are these latencies all within? A request of one token has no tpot: pass 0.
  bool Met(Nanoseconds ttft_of, Nanoseconds tpot_of, Nanoseconds e2e_of) const;
};

// "ttft:200,tpot:50,e2e:3000", in milliseconds above 0 and below 1e9; e2el, the name that vLLM's
// benchmark uses, means e2e. InvalidArgument says what is wrong.
absl::StatusOr<LatencyObjectives> ParseLatencyObjectives(std::string_view text);

}  // namespace waferline
