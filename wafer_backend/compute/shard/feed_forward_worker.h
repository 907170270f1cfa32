// The feed-forward parts of a range of layers, experts and their router among them, with their
// weights under an SRAM ledger of their own: what attention workers use. Norms are theirs.
//
// Owner and thread: as a LayerWorker's. A frame has one count, of rows for one layer.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wafer_backend/compute/kernels/scratch.h"
#include "wafer_backend/compute/kernels/thread_pool.h"
#include "wafer_backend/compute/shard/feed_forward.h"
#include "wafer_backend/compute/shard/layer_worker.h"
#include "wafer_backend/compute/shard/sram_ledger.h"

namespace waferline::shard {

struct FeedForwardWorkerOptions {
  LayerRange layers;
  Bytes sram = Bytes(44'000'000'000);
  int64_t max_rows = 256;  // of a frame
};

class FeedForwardWorker : public LayerWorker {
 public:
  // InvalidArgument if the model has not loaded the feed-forward parts of these layers;
  // ResourceExhausted with the arithmetic if they do not fit into the SRAM. `pool` must outlive it.
  static absl::StatusOr<std::unique_ptr<FeedForwardWorker>> Create(
      std::shared_ptr<const PackedModel> model, const FeedForwardWorkerOptions& options,
      kernels::ThreadPool* pool);

  absl::Status Compute(link::LayerRowsFrame* frame) override;
  WorkerPart part() const override { return {options_.layers, model_->experts()}; }
  Bytes weights() const { return ledger_.weights(); }
  Bytes buffers() const { return ledger_.buffers(); }

 private:
  FeedForwardWorker(std::shared_ptr<const PackedModel> model,
                    const FeedForwardWorkerOptions& options, kernels::ThreadPool* pool);
  absl::Status Check(const link::LayerRowsFrame& frame) const;
  Bytes working_bytes() const;

  const std::shared_ptr<const PackedModel> model_;
  const FeedForwardWorkerOptions options_;
  kernels::ThreadPool* const pool_;
  SramLedger ledger_;
  FeedForward feed_forward_;
  kernels::Scratch scratch_;
  std::vector<float> given_;  // f32 [rows][hidden] of the current frame
};

}  // namespace waferline::shard
