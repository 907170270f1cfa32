#include "scheduler/replay/trace.h"

#include <unordered_set>

#include "wafer_backend/base/seeded_stream.h"

namespace waferline::replay {

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

}  // namespace waferline::replay
