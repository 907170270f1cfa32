// How much of a prompt a prefix cache saves. Free functions; the engine's thread.
#pragma once

#include <cstddef>

#include "scheduler/engine/sequence.h"

namespace waferline::engine {

// Blocks of the prompt that are in the cache and may be used: at least one token is left to
// compute, since its logits are needed.
inline size_t UsableBlocks(const BlockCache& cache, const Sequence& s) {
  size_t blocks = cache.Match(s.outline->blocks);
  while (blocks > 0 && blocks * s.outline->block_tokens >= s.prefill_total) --blocks;
  return blocks;
}

inline Tokens UsableTokens(size_t blocks, const Sequence& s) {
  return Tokens(static_cast<int64_t>(blocks) * s.outline->block_tokens);
}

}  // namespace waferline::engine
