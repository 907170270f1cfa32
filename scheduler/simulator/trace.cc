#include "scheduler/simulator/trace.h"

#include <cmath>
#include <unordered_set>

#include "wafer_backend/base/seeded_stream.h"

namespace waferline::simulator {
namespace {
// Names the streams made from a run's seed, and those of prompts' tokens.
constexpr uint64_t kRequestStream = 0x7e9;
constexpr uint64_t kSharedTokens = 0xb10c;
constexpr uint64_t kOwnTokens = 0x0417;
constexpr uint64_t kTokenIds = 256;
}  // namespace

Nanoseconds ArrivalOf(const Trace& trace, uint64_t index, double speed_up) {
  const uint64_t n = trace.requests.size();
  const double at = trace.span.as_double() * static_cast<double>(index / n) +
                    trace.requests[index % n].arrival.as_double();
  return Nanoseconds(std::llround(at / speed_up));
}

uint64_t SeedOf(uint64_t run_seed, uint64_t index) {
  return SeededStream(run_seed).Fork(kRequestStream).At(index);
}

std::vector<TokenId> PromptOf(const Trace& trace, uint64_t index) {
  const TraceRequest& request = trace.requests[index];
  std::vector<TokenId> prompt(request.prompt_tokens);
  const SeededStream own = SeededStream(index).Fork(kOwnTokens);
  for (uint32_t i = 0; i < request.prompt_tokens; ++i) {
    const uint32_t block = trace.block_tokens == 0 ? 0 : i / trace.block_tokens;
    const uint64_t draw =
        block < request.blocks
            ? SeededStream(trace.block_ids[request.first_block + block]).Fork(kSharedTokens).At(i)
            : own.At(i);
    prompt[i] = static_cast<TokenId>(draw % kTokenIds);
  }
  return prompt;
}

double InfiniteCacheHitRate(const Trace& trace) {
  std::unordered_set<uint64_t> seen;
  uint64_t blocks = 0;
  uint64_t hits = 0;
  for (const TraceRequest& request : trace.requests) {
    uint64_t prefix = 0;
    bool matching = true;
    for (uint32_t i = 0; i < request.blocks; ++i) {
      prefix = Mix(prefix ^ Mix(trace.block_ids[request.first_block + i]));
      matching = !seen.insert(prefix).second && matching;
      hits += matching;
    }
    blocks += request.blocks;
  }
  return blocks == 0 ? 0.0 : static_cast<double>(hits) / static_cast<double>(blocks);
}

}  // namespace waferline::simulator
