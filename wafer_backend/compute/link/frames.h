// Everything that crosses between workers of the compute plane, as plain values. Which of them a
// link may carry is part of its type (link/typed_link.h); how they look on the wire is
// link/frame_codec.h.
//
// A slot is a sequence's place on the decode shards, the same number on each; a position counts
// the tokens of a sequence from 0, prompt first; layers are numbered over the whole model, ranges
// are [first, end).
#pragma once

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "wafer_backend/base/ids.h"
#include "wafer_backend/compute/link/frame_kind.h"
#include "wafer_backend/compute/link/prefill_frames.h"
#include "wafer_backend/compute/link/role.h"
#include "wafer_backend/membership/credentials.h"

namespace waferline::link {

// One token of one sequence in a step. Rows of the same slot come in order of position.
struct Row {
  uint32_t slot = 0;
  uint32_t position = 0;
  static constexpr bool kWireIsMemory = true;
  bool operator==(const Row&) const = default;
};

// Into the first shard: a step's token ids, one for each row.
struct TokenFrame {
  uint64_t step = 0;
  std::vector<Row> rows;
  std::vector<TokenId> tokens;
  static constexpr FrameKind kKind = FrameKind::kToken;
  static auto Fields(auto& f) { return std::tie(f.step, f.rows, f.tokens); }
  bool operator==(const TokenFrame&) const = default;
};

// Between neighbours: the residual stream, rows x width, row-major f32, exactly as it would have
// stayed in memory.
struct ActivationFrame {
  uint64_t step = 0;
  uint32_t width = 0;
  std::vector<Row> rows;
  std::vector<float> hidden;
  static constexpr FrameKind kKind = FrameKind::kActivation;
  static auto Fields(auto& f) { return std::tie(f.step, f.width, f.rows, f.hidden); }
  bool operator==(const ActivationFrame&) const = default;
};

// Between a shard and a worker that has a part of its layers, both ways: rows of hidden states for
// that part of one layer, f32 [sum of counts][width]. A worker of experts gets those of an expert
// together, a feed-forward worker all rows of a micro-batch as one count. In the answer, which has
// the same counts, each row is what the part makes of it.
struct LayerRowsFrame {
  uint64_t exchange = 0;  // counts them
  uint32_t layer = 0;
  uint32_t width = 0;
  std::vector<uint32_t> counts;  // of rows: for each expert that the worker has, or one
  std::vector<float> hidden;
  static constexpr FrameKind kKind = FrameKind::kLayerRows;
  static auto Fields(auto& f) { return std::tie(f.exchange, f.layer, f.width, f.counts, f.hidden); }
  bool operator==(const LayerRowsFrame&) const = default;
};

// Out of the last shard: rows x vocabulary, row-major f32, in the order of the step's rows.
struct LogitsFrame {
  uint64_t step = 0;
  uint32_t vocabulary = 0;
  std::vector<float> logits;
  static constexpr FrameKind kKind = FrameKind::kLogits;
  static auto Fields(auto& f) { return std::tie(f.step, f.vocabulary, f.logits); }
  bool operator==(const LogitsFrame&) const = default;
};

// From the prefill pool to a shard: the keys and values of some layers and positions, in the page
// layout of kernels/kv_page.h, a whole page of the layers named. `last` says that the hand-off is
// complete for this shard.
struct KvFrame {
  uint64_t job = 0;
  uint32_t slot = 0;
  uint32_t first_layer = 0;
  uint32_t layer_count = 0;
  uint32_t first_position = 0;
  uint32_t positions = 0;
  bool last = false;
  std::vector<uint8_t> data;
  static constexpr FrameKind kKind = FrameKind::kKv;
  static auto Fields(auto& f) {
    return std::tie(f.job, f.slot, f.first_layer, f.layer_count, f.first_position, f.positions,
                    f.last, f.data);
  }
  bool operator==(const KvFrame&) const = default;
};

// Back from a shard, after the last page of a job.
struct KvReceivedFrame {
  uint64_t job = 0;
  uint32_t code = 0;  // absl::StatusCode
  std::string message;
  static constexpr FrameKind kKind = FrameKind::kKvReceived;
  static auto Fields(auto& f) { return std::tie(f.job, f.code, f.message); }
  bool operator==(const KvReceivedFrame&) const = default;
};

// First on every connection, from both sides: the role of the sender, in whose name it works, and
// its model. Peers whose model or page size differ are refused, so are those that the worker's
// owner does not want (membership/owner_gate.h); a driver's page size is 0: any.
struct HelloFrame {
  Role role = Role::kDriver;
  uint64_t model_fingerprint = 0;
  uint32_t first_layer = 0;
  uint32_t end_layer = 0;
  uint32_t layer_count = 0;
  uint32_t width = 0;
  uint32_t vocabulary = 0;
  uint32_t page_tokens = 0;
  uint32_t context = 0;
  uint32_t slots = 0;     // sequences that a shard can hold
  uint32_t max_rows = 0;  // of one step
  // Of each layer that has experts, those that a worker of experts has.
  uint32_t first_expert = 0;
  uint32_t end_expert = 0;
  // A shard that loads the layers it is assigned; until then it has none, 0 to 0.
  bool any_layers = false;
  membership::Credentials credentials;
  static constexpr FrameKind kKind = FrameKind::kHello;
  static auto Fields(auto& f) {
    return std::tie(f.role, f.model_fingerprint, f.first_layer, f.end_layer, f.layer_count, f.width,
                    f.vocabulary, f.page_tokens, f.context, f.slots, f.max_rows, f.first_expert,
                    f.end_expert, f.any_layers, f.credentials.cell, f.credentials.worker,
                    f.credentials.incarnation, f.credentials.fence.epoch,
                    f.credentials.fence.generation);
  }
  bool operator==(const HelloFrame&) const = default;
};

// Instead of a Hello: why the sender will not work with this peer. Then it closes the connection.
struct RefusedFrame {
  uint32_t code = 0;  // absl::StatusCode
  std::string message;
  static constexpr FrameKind kKind = FrameKind::kRefused;
  static auto Fields(auto& f) { return std::tie(f.code, f.message); }
  bool operator==(const RefusedFrame&) const = default;
};

// What a shard's SRAM holds, in bytes, and what it sent to its neighbour; what it sent to workers
// of experts, or exchanged with feed-forward workers.
struct MemoryFrame {
  uint64_t capacity = 0;
  uint64_t weights = 0;
  uint64_t buffers = 0;
  uint64_t kv_per_page = 0;
  uint64_t kv_reserved = 0;
  uint64_t sent_frames = 0;
  uint64_t sent_payload = 0;
  uint64_t sent_framing = 0;
  uint64_t worker_frames = 0;
  uint64_t worker_payload = 0;
  uint64_t worker_framing = 0;
  std::vector<uint64_t> expert_tokens;  // of each expert, summed over the shard's layers
  static constexpr FrameKind kKind = FrameKind::kMemory;
  static auto Fields(auto& f) {
    return std::tie(f.capacity, f.weights, f.buffers, f.kv_per_page, f.kv_reserved, f.sent_frames,
                    f.sent_payload, f.sent_framing, f.worker_frames, f.worker_payload,
                    f.worker_framing, f.expert_tokens);
  }
  bool operator==(const MemoryFrame&) const = default;
};
struct AskMemoryFrame {
  static constexpr FrameKind kKind = FrameKind::kAskMemory;
  static auto Fields(auto&) { return std::tie(); }
  bool operator==(const AskMemoryFrame&) const = default;
};

// Driver to shard: reserve pages for `positions` positions in a free slot, for KV of `job` only /
// give them back.
struct OpenFrame {
  uint32_t slot = 0;
  uint32_t positions = 0;
  uint64_t job = 0;
  static constexpr FrameKind kKind = FrameKind::kOpen;
  static auto Fields(auto& f) { return std::tie(f.slot, f.positions, f.job); }
  bool operator==(const OpenFrame&) const = default;
};
struct CloseFrame {
  uint32_t slot = 0;
  static constexpr FrameKind kKind = FrameKind::kClose;
  static auto Fields(auto& f) { return std::tie(f.slot); }
  bool operator==(const CloseFrame&) const = default;
};

// Driver to a shard that takes any layers: load these, which may take minutes.
struct AssignFrame {
  uint32_t first_layer = 0;
  uint32_t end_layer = 0;
  static constexpr FrameKind kKind = FrameKind::kAssign;
  static auto Fields(auto& f) { return std::tie(f.first_layer, f.end_layer); }
  bool operator==(const AssignFrame&) const = default;
};

// Driver to shard: where the next shard listens; empty for the last.
struct JoinFrame {
  std::string next_endpoint;
  static constexpr FrameKind kKind = FrameKind::kJoin;
  static auto Fields(auto& f) { return std::tie(f.next_endpoint); }
  bool operator==(const JoinFrame&) const = default;
};

// To the driver: a shard's answer to Open (subject: the job), Assign and Join (kNextShard: what
// it failed for), a step that could not be done (subject: the step; 0: none, a worker of experts is
// lost); the prefill worker's answer to Shards (subject: their generation), also later when one of
// them is lost.
struct AnswerFrame {
  static constexpr uint64_t kNextShard = 1;
  enum class To : uint8_t { kOpen = 1, kJoin = 2, kStep = 3, kShards = 4, kAssign = 5 };
  To to = To::kOpen;
  uint64_t subject = 0;
  uint32_t code = 0;  // absl::StatusCode
  std::string message;
  static constexpr FrameKind kKind = FrameKind::kAnswer;
  static auto Fields(auto& f) { return std::tie(f.to, f.subject, f.code, f.message); }
  bool operator==(const AnswerFrame&) const = default;
};

}  // namespace waferline::link
