// A workload: who asks when, for how much. Plain values; made by a reader (trace_reader.h) or a
// generator (generated_trace.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "scheduler/request/valid_request.h"
#include "wafer_backend/base/units.h"

namespace waferline::simulator {

// From a trace's first request to its last: half a year.
inline constexpr double kMaxTraceSeconds = 1.6e7;

struct TraceRequest {
  Nanoseconds arrival;  // since the trace's start
  uint32_t prompt_tokens = 1;
  uint32_t output_tokens = 1;
  // Its prompt's blocks: block_ids[first_block .. first_block + blocks).
  uint64_t first_block = 0;
  uint32_t blocks = 0;
  uint32_t model = 0;  // indices into Trace::models, tenants
  uint32_t tenant = 0;
  int32_t priority = 0;
  ServiceTier tier = ServiceTier::kAuto;
  Nanoseconds deadline;  // since arrival; 0: none
};

struct Trace {
  std::vector<TraceRequest> requests;  // by arrival
  std::vector<uint64_t> block_ids;     // equal ids at equal places of two prompts = equal content
  uint32_t block_tokens = 0;           // 0: the trace knows no blocks
  std::vector<std::string> models = {""};  // "" stands for the fleet's first
  std::vector<std::string> tenants = {""};
  uint64_t hash = 0;  // of the bytes it was read from, or of the generator's settings
  Nanoseconds span;   // of one repetition: the last arrival and the mean gap
};

// When request `index` of `trace` arrives, repeated as often as it takes, `speed_up` times as
// densely.
Nanoseconds ArrivalOf(const Trace& trace, uint64_t index, double speed_up);
// The seed of request `index` of a run.
uint64_t SeedOf(uint64_t run_seed, uint64_t index);
// Token ids, below 256, for a request that has none: two prompts share exactly the blocks that the
// trace says they share. O(prompt).
std::vector<TokenId> PromptOf(const Trace& trace, uint64_t index);

// Share of prompt blocks that are prefix hits if every block ever seen is kept.
double InfiniteCacheHitRate(const Trace& trace);

}  // namespace waferline::simulator
