// What the compute plane did so far and what it holds now; a value.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "wafer_backend/base/units.h"
#include "wafer_backend/compute/link/byte_pipe.h"
#include "wafer_backend/compute/plane/chain_vitals.h"

namespace waferline::plane {

// What a sequence lost when a worker was lost; the plane computes it again.
enum class LossCause : uint8_t {
  kShard,    // its KV on the shards
  kPrefill,  // its prompt in the prefill pool
};
inline constexpr std::array kLossCauses = {"shard_lost", "prefill_lost"};

struct PlaneCounters {
  // Since the start.
  uint64_t decode_steps = 0;
  uint64_t decode_rows = 0;    // of all steps
  uint64_t decode_tokens = 0;  // that came out of them
  uint64_t prefill_tokens = 0;
  std::array<uint64_t, kLossCauses.size()> host_recoveries{};  // by LossCause
  uint64_t drafted_tokens = 0;                                 // proposed by speculation
  uint64_t accepted_tokens = 0;                                // of them, what the model chose too
  std::vector<link::LinkBytes> activation_bytes;  // between neighbours, first hop first
  std::vector<link::LinkBytes> expert_bytes;      // of each shard to workers of experts
  // Of each attention worker with feed-forward workers, both ways.
  std::vector<link::LinkBytes> feed_forward_bytes;
  // Of each expert, on the shards, summed over the layers; empty without experts.
  std::vector<uint64_t> expert_tokens;
  uint64_t moved_sequences = 0;  // to another chain, since theirs was out
  // Now.
  std::vector<ChainFigures> chains;  // of remote shards
  uint32_t live_sequences = 0;
  uint32_t slots_in_use = 0;
  std::vector<Bytes> kv_reserved;  // of each shard's SRAM
  Bytes prefill_kv;  // pages held by the prefill pool; by a remote one at most so much
  // Remote shards that have not yet answered the last request for kv_reserved and activation_bytes.
  uint32_t reports_pending = 0;
  // Which remote worker is gone, and why; "": all that is needed to compute is there.
  std::string outage;
  // Why the last that was computed failed, though no worker is gone: the model's file was changed;
  // "": it did not.
  std::string damage;
};

// Adds a shard's.
template <typename Counts>
void AddExpertTokens(const Counts& of_shard, PlaneCounters* counters) {
  std::vector<uint64_t>& sums = counters->expert_tokens;
  sums.resize(std::max(sums.size(), of_shard.size()));
  for (size_t e = 0; e < of_shard.size(); ++e) sums[e] += static_cast<uint64_t>(of_shard[e]);
}

}  // namespace waferline::plane
