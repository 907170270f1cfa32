// A shard: a contiguous range of layers with their weights and the KV of every resident sequence,
// under one SRAM ledger. The first turns token ids into activations, the last turns activations
// into logits; between neighbours nothing but activations passes.
//
// Owner: the plane (shards in a process) or the shard server; thread: one at a time. Bounds:
// `slots` sequences, `max_rows` rows a step, KV by the ledger. What a peer sent is checked against
// all of them: InvalidArgument or FailedPrecondition then, and nothing has changed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wafer_backend/api/values.h"
#include "wafer_backend/compute/link/frames.h"
#include "wafer_backend/compute/shard/kv_pages.h"
#include "wafer_backend/compute/shard/layer_stack.h"
#include "wafer_backend/compute/shard/other_parts.h"
#include "wafer_backend/compute/shard/packed_model.h"
#include "wafer_backend/compute/shard/sram_ledger.h"

namespace waferline::shard {

struct ShardOptions {
  LayerRange range;
  Bytes sram = Bytes(44'000'000'000);  // a WSE-3: 44 GB (Cerebras, Hot Chips 2024)
  int64_t page_tokens = 64;
  uint32_t slots = 256;
  int64_t max_rows = 256;
  // What it has of its layers; workers have the rest (worker_links.h).
  ExpertRange experts;  // none: all
  bool feed_forward_elsewhere = false;
  int64_t micro_batches = 1;  // of a step; more than 1 only with feed_forward_elsewhere
  // Called periodically on a step's thread, for what cannot wait for its end. Optional.
  std::function<void()> between_layers;

  ModelPart part() const {
    return {range, experts, feed_forward_elsewhere ? LayerSide::kAttention : LayerSide::kBoth};
  }
};

class Shard {
 public:
  // ResourceExhausted with the arithmetic if the layers do not fit into the SRAM. `pool` may be
  // shared and must outlive the shard.
  static absl::StatusOr<std::unique_ptr<Shard>> Create(std::shared_ptr<const PackedModel> model,
                                                       const ShardOptions& options,
                                                       kernels::ThreadPool* pool);

  // Reserves KV for `positions` positions in a free slot, to be filled by the hand-off of `job`.
  // ResourceExhausted if the SRAM is full.
  absl::Status Open(uint32_t slot, uint32_t positions, uint64_t job);
  // Gives the slot and its pages back; nothing if it is not open.
  void Close(uint32_t slot);
  void CloseAll();

  // Pages from the prefill pool. Those of a job that the slot is not open for are late (their
  // sequence ended during the hand-off) and are dropped.
  absl::Status Receive(const link::KvFrame& frame);

  // The workers that have what this does not have of its layers; nullptr: they are not connected,
  // steps are then Unavailable. They must outlive its use here, and have all of it.
  void SetWorkers(WorkerLinks* links);

  // First shard: tokens in, activations after this shard's layers out. On an error *out has the
  // step, which the answer names.
  absl::Status Step(const link::TokenFrame& in, link::ActivationFrame* out);
  // Others: the same frame carries the activations on.
  absl::Status Step(link::ActivationFrame* frame);
  // Last shard: logits of every row.
  absl::Status Head(const link::ActivationFrame& in, link::LogitsFrame* out);

  bool first() const { return options_.range.first == 0; }
  bool last() const { return options_.range.end == model_->shape().layers; }
  const ShardOptions& options() const { return options_; }
  const PackedModel& model() const { return *model_; }
  const std::shared_ptr<const PackedModel>& shared_model() const { return model_; }
  const KvLayers& kv() const { return stack_.kv(); }
  ShardMemory memory() const;
  // The same, with what it counted; without what its neighbour was sent.
  link::MemoryFrame Report() const;
  Bytes kv_reserved() const { return ledger_.kv(); }
  // Tokens that each expert computed since the start, summed over this shard's layers; empty
  // without experts.
  std::span<const int64_t> expert_tokens() const { return stack_.expert_tokens(); }
  // To workers of experts, from which the same comes back; with feed-forward workers both ways.
  link::LinkBytes worker_bytes() const;
  Bytes kv_in_use() const { return pages_.in_use(); }
  uint32_t open_slots() const { return open_slots_; }

 private:
  struct Slot {
    explicit Slot(KvPool* pool) : pages(pool) {}
    std::optional<uint64_t> job;  // that it is open for; none: the slot is free
    int64_t reserved = 0;         // positions, to the end of a page
    SequencePages pages;
    // Positions of its rows in the current step.
    uint64_t step = 0;
    int64_t step_first = 0, step_end = 0;
  };

  Shard(std::shared_ptr<const PackedModel> model, const ShardOptions& options,
        kernels::ThreadPool* pool);
  absl::Status CheckSlot(uint32_t slot) const;
  absl::Status CheckFrame(const link::KvFrame& frame, const Slot& place) const;
  absl::Status CheckRows(const std::vector<link::Row>& rows);
  // Checks the rows and groups them; every page they need is there afterwards, and no other of
  // their slots.
  absl::Status Prepare(const std::vector<link::Row>& rows);
  // The prepared rows through the layers. Unavailable if a worker was lost.
  absl::Status Forward(float* hidden);

  const std::shared_ptr<const PackedModel> model_;
  const ShardOptions options_;
  LayerStack stack_;
  SramLedger ledger_;
  KvPool pages_;
  std::vector<Slot> slots_;
  uint32_t open_slots_ = 0;
  WorkerLinks* links_ = nullptr;
  std::optional<OtherExperts> other_experts_;
  std::optional<OtherFeedForward> other_feed_forward_;
  uint64_t steps_ = 0;
  std::vector<Run> runs_;  // of the current step
};

}  // namespace waferline::shard
