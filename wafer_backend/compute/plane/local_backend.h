// Shards and prefill pool in this process, sharing one packed model. The driver's thread carries a
// step from shard to shard; activations pass through the same typed links and encoded frames as
// between processes.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/link/local_pipe.h"
#include "wafer_backend/compute/link/notifier.h"
#include "wafer_backend/compute/link/typed_link.h"
#include "wafer_backend/compute/plane/backend.h"
#include "wafer_backend/compute/plane/prefill_lane.h"
#include "wafer_backend/compute/shard/local_layer_workers.h"
#include "wafer_backend/compute/shard/shard.h"

namespace waferline::plane {

struct LocalOptions {
  std::shared_ptr<const model::GgufFile> file;
  int64_t shards = 1;
  // Workers that share the experts of each shard's layers, the shard itself the first of them; each
  // other has an SRAM of its own.
  int64_t experts_over = 1;
  // Workers that share the feed-forward parts of all layers, which the shards then do not have,
  // each with a thread, a pool and an SRAM of its own; 0: there are none. Excludes experts_over.
  int64_t feed_forward_workers = 0;
  int feed_forward_threads = 1;        // of each one's pool, its own included
  int64_t micro_batches = 1;           // with feed_forward_workers: of each shard's step
  Bytes sram = Bytes(44'000'000'000);  // of each shard and each of these workers
  int64_t page_tokens = 64;
  uint32_t slots = 256;
  int64_t max_rows = 256;
  prefill::PrefillOptions prefill;  // page_tokens is taken from above
  int64_t busy_chunk_tokens = 64;   // for each waiting prompt while sequences decode
  int prefill_threads = 0;          // 0: in the driver's loop, with its pool
};

class LocalBackend : public Backend {
 public:
  // InvalidArgument or ResourceExhausted (SRAM, with the arithmetic). `pool` is the driver's and
  // must outlive this.
  static absl::StatusOr<std::unique_ptr<LocalBackend>> Create(const LocalOptions& options,
                                                              kernels::ThreadPool* pool);

  const BackendFacts& facts() const override { return facts_; }
  void Prefill(prefill::PrefillJob job) override { lane_->Submit(std::move(job)); }
  void HandOff(uint64_t job, uint32_t slot, uint32_t positions) override;
  void Forget(uint64_t job) override;
  void Close(uint32_t slot) override;
  absl::Status Step(const link::TokenFrame& tokens, link::LogitsFrame* logits) override;
  bool Turn(bool decoding, BackendEvents* events) override;
  void Wait() override { notifier_.Wait(); }
  void Wake() override { notifier_.Notify(); }
  void Count(PlaneCounters* counters) const override;

  const std::vector<std::unique_ptr<shard::Shard>>& shards() const { return shards_; }

 private:
  // Frames that wait on a link of this process at most.
  static constexpr size_t kWindow = 16;
  template <typename Out, typename In>
  struct Hop {
    link::LocalPipe pipe{kWindow};
    Out outlet{&pipe};
    In inlet;
    std::vector<uint8_t> frame;
  };
  using ActivationHop = Hop<link::ActivationOutlet, link::ActivationInlet>;
  using KvHop = Hop<link::KvOutlet, link::KvInlet>;

  LocalBackend(const LocalOptions& options) : busy_chunk_tokens_(options.busy_chunk_tokens) {}
  absl::Status Build(const LocalOptions& options, kernels::ThreadPool* pool);
  absl::Status BuildShards(const LocalOptions& options,
                           std::shared_ptr<const shard::PackedModel> model,
                           kernels::ThreadPool* pool);
  absl::Status BuildFeedForward(const LocalOptions& options,
                                const std::shared_ptr<const shard::PackedModel>& model);
  absl::Status SpreadExperts(const LocalOptions& options, std::span<const shard::ExpertRange> parts,
                             kernels::ThreadPool* pool, shard::Shard* shard);
  void LinkFeedForward(shard::Shard* shard);
  bool TakePages(BackendEvents* events);

  const int64_t busy_chunk_tokens_;
  int64_t chunk_tokens_ = 0;
  BackendFacts facts_;
  link::Notifier notifier_{2000};
  std::vector<std::unique_ptr<shard::LocalLayerWorkers>> links_;  // of each shard; may be none
  std::vector<std::unique_ptr<kernels::ThreadPool>> feed_forward_pools_;
  std::vector<std::unique_ptr<shard::WorkerThread>> feed_forward_;
  std::vector<std::unique_ptr<shard::Shard>> shards_;
  std::vector<std::unique_ptr<ActivationHop>> hops_;  // i joins shards i and i + 1
  std::vector<std::unique_ptr<KvHop>> kv_hops_;       // one a shard
  std::unique_ptr<kernels::ThreadPool> prefill_pool_;
  std::unique_ptr<PrefillLane> lane_;  // destroyed first: it sends into the hops
  std::vector<BackendEvents::HandedOff> refused_;
  link::ActivationFrame activations_;
  LaneResults results_;
};

}  // namespace waferline::plane
