// The frames between a driver and its prefill workers; the rest of link/frames.h.
#pragma once

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "wafer_backend/base/ids.h"
#include "wafer_backend/compute/link/frame_kind.h"

namespace waferline::link {

// Driver to prefill worker: the shards that take part in hand-offs, and the fence that they know.
struct ShardAddress {
  std::string endpoint;
  uint32_t first_layer = 0;
  uint32_t end_layer = 0;
  static constexpr size_t kMinWireBytes = 12;
  static auto Fields(auto& f) { return std::tie(f.endpoint, f.first_layer, f.end_layer); }
  bool operator==(const ShardAddress&) const = default;
};
struct ShardsFrame {
  uint64_t epoch = 0;
  uint64_t generation = 0;
  std::vector<ShardAddress> shards;
  static constexpr FrameKind kKind = FrameKind::kShards;
  static auto Fields(auto& f) { return std::tie(f.epoch, f.generation, f.shards); }
  bool operator==(const ShardsFrame&) const = default;
};

// Driver to prefill worker: compute the KV of these tokens and the logits after the last of them.
struct PrefillFrame {
  uint64_t job = 0;
  std::vector<TokenId> tokens;
  uint32_t prompt_tokens = 0;  // the first of them are the prompt's
  bool wants_prompt_logprobs = false;
  int32_t top_logprobs = -1;
  uint32_t vector = 0;  // as PromptVector
  static constexpr FrameKind kKind = FrameKind::kPrefill;
  static auto Fields(auto& f) {
    return std::tie(f.job, f.tokens, f.prompt_tokens, f.wants_prompt_logprobs, f.top_logprobs,
                    f.vector);
  }
  bool operator==(const PrefillFrame&) const = default;
};
struct HandOffFrame {
  uint64_t job = 0;
  uint32_t slot = 0;
  static constexpr FrameKind kKind = FrameKind::kHandOff;
  static auto Fields(auto& f) { return std::tie(f.job, f.slot); }
  bool operator==(const HandOffFrame&) const = default;
};
// The job is no longer wanted, at whatever stage: its KV is released.
struct CancelFrame {
  uint64_t job = 0;
  static constexpr FrameKind kKind = FrameKind::kCancel;
  static auto Fields(auto& f) { return std::tie(f.job); }
  bool operator==(const CancelFrame&) const = default;
};

// Prefill worker to driver.
struct PrefilledFrame {
  uint64_t job = 0;
  uint32_t code = 0;  // absl::StatusCode; logits only if OK
  std::string message;
  std::vector<float> logits;
  std::vector<float> vector = {};  // of the prompt, [width], if asked for
  static constexpr FrameKind kKind = FrameKind::kPrefilled;
  static auto Fields(auto& f) { return std::tie(f.job, f.code, f.message, f.logits, f.vector); }
  bool operator==(const PrefilledFrame&) const = default;
};
struct WireLogprob {
  TokenId id = 0;
  float logprob = 0;
  std::vector<TokenId> top_ids;
  std::vector<float> top_logprobs;
  static constexpr size_t kMinWireBytes = 16;
  static auto Fields(auto& f) { return std::tie(f.id, f.logprob, f.top_ids, f.top_logprobs); }
  bool operator==(const WireLogprob&) const = default;
};
// Log-probabilities of prompt tokens first_index, first_index + 1, ...; all come before Prefilled.
struct PromptLogprobsFrame {
  uint64_t job = 0;
  uint32_t first_index = 0;
  std::vector<WireLogprob> values;
  static constexpr FrameKind kKind = FrameKind::kPromptLogprobs;
  static auto Fields(auto& f) { return std::tie(f.job, f.first_index, f.values); }
  bool operator==(const PromptLogprobsFrame&) const = default;
};
struct HandedOffFrame {
  uint64_t job = 0;
  uint32_t code = 0;
  std::string message;
  static constexpr FrameKind kKind = FrameKind::kHandedOff;
  static auto Fields(auto& f) { return std::tie(f.job, f.code, f.message); }
  bool operator==(const HandedOffFrame&) const = default;
};

}  // namespace waferline::link
