// Some of the experts of a range of layers, with their weights under an SRAM ledger of their own:
// what a shard uses that does not have all experts of its layers.
//
// Owner and thread: as a LayerWorker's.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wafer_backend/compute/kernels/expert_products.h"
#include "wafer_backend/compute/kernels/scratch.h"
#include "wafer_backend/compute/shard/layer_worker.h"
#include "wafer_backend/compute/shard/sram_ledger.h"

namespace waferline::shard {

struct ExpertWorkerOptions {
  LayerRange layers;
  ExpertRange experts;
  Bytes sram = Bytes(44'000'000'000);
  int64_t max_rows = 256;  // tokens of a step
};

class ExpertWorker : public LayerWorker {
 public:
  // InvalidArgument if the model has not loaded these layers and experts or has none;
  // ResourceExhausted with the arithmetic if they do not fit into the SRAM.
  static absl::StatusOr<std::unique_ptr<ExpertWorker>> Create(
      std::shared_ptr<const PackedModel> model, const ExpertWorkerOptions& options,
      kernels::ThreadPool* pool);

  absl::Status Compute(link::LayerRowsFrame* frame) override;
  WorkerPart part() const override { return {options_.layers, options_.experts}; }

 private:
  ExpertWorker(std::shared_ptr<const PackedModel> model, const ExpertWorkerOptions& options,
               kernels::ThreadPool* pool);
  absl::Status Check(const link::LayerRowsFrame& frame) const;

  const std::shared_ptr<const PackedModel> model_;
  const ExpertWorkerOptions options_;
  kernels::ThreadPool* const pool_;
  SramLedger ledger_;
  kernels::ExpertProducts products_;
  kernels::Scratch scratch_;
  std::vector<int64_t> begin_;  // of the current frame
};

}  // namespace waferline::shard
