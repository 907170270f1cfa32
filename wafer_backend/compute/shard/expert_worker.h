// Some of the experts of a range of layers, with their weights under an SRAM ledger of their own:
// what a shard uses that does not have all experts of its layers. Holds nothing between two calls,
// so it serves any shards of the model.
//
// Owner: LocalExperts (in a process) or the expert server; thread: one at a time.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wafer_backend/compute/kernels/expert_products.h"
#include "wafer_backend/compute/kernels/scratch.h"
#include "wafer_backend/compute/link/frames.h"
#include "wafer_backend/compute/shard/packed_model.h"
#include "wafer_backend/compute/shard/sram_ledger.h"

namespace waferline::shard {

struct ExpertWorkerOptions {
  LayerRange layers;
  ExpertRange experts;
  Bytes sram = Bytes(44'000'000'000);
  int64_t max_rows = 256;  // tokens of a step
};

class ExpertWorker {
 public:
  // InvalidArgument if the model has not loaded these layers and experts or has none;
  // ResourceExhausted with the arithmetic if they do not fit into the SRAM.
  static absl::StatusOr<std::unique_ptr<ExpertWorker>> Create(
      std::shared_ptr<const PackedModel> model, const ExpertWorkerOptions& options,
      kernels::ThreadPool* pool);

  // Makes of each row what its expert makes of it. InvalidArgument, nothing changed, for a layer or
  // counts that are not this worker's.
  absl::Status Compute(link::ExpertRowsFrame* frame);

  const ExpertWorkerOptions& options() const { return options_; }
  const PackedModel& model() const { return *model_; }
  Bytes weights() const { return ledger_.weights(); }

 private:
  ExpertWorker(std::shared_ptr<const PackedModel> model, const ExpertWorkerOptions& options,
               kernels::ThreadPool* pool);
  absl::Status Check(const link::ExpertRowsFrame& frame) const;

  const std::shared_ptr<const PackedModel> model_;
  const ExpertWorkerOptions options_;
  kernels::ThreadPool* const pool_;
  SramLedger ledger_;
  kernels::ExpertProducts products_;
  kernels::Scratch scratch_;
  std::vector<int64_t> begin_;  // of the current frame
};

}  // namespace waferline::shard
