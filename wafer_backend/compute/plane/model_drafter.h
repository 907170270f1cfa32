// A small model with the same vocabulary writes ahead. It draws with the same random numbers as the
// real draw will, so that where the two models agree on the distribution they agree on the token,
// at any temperature.
//
// The prompt is caught up with in bounded pieces, one a call, so that a long one does not hold up
// the other sequences. Memory: the small model's weights and KV of the sequences that decode.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/plane/drafter.h"
#include "wafer_backend/compute/sampling/draw.h"
#include "wafer_backend/compute/shard/layer_stack.h"

namespace waferline::plane {

class ModelDrafter : public Drafter {
 public:
  // InvalidArgument if the vocabularies differ. `pool` must outlive this.
  static absl::StatusOr<std::unique_ptr<ModelDrafter>> Create(
      std::shared_ptr<const model::GgufFile> file, int64_t vocabulary, kernels::ThreadPool* pool);

  void Draft(std::span<DraftRequest> requests) override;
  void Forget(uint64_t job) override { states_.erase(job); }

 private:
  static constexpr int64_t kMaxRows = 128;  // computed in one go

  struct State {
    explicit State(shard::KvPool* pool) : pages(pool) {}
    shard::SequencePages pages;
    size_t fed = 0;                // tokens of the text whose KV is there
    std::vector<TokenId> guessed;  // fed after them, true or not
  };
  // A request that is being written.
  struct Writing {
    DraftRequest* request = nullptr;
    State* state = nullptr;
  };

  ModelDrafter(std::shared_ptr<const shard::PackedModel> model, kernels::ThreadPool* pool);
  State* StateOf(const DraftRequest& request);
  void CatchUp(std::span<DraftRequest> requests);
  void WriteOn();
  void Guess(const float* hidden);

  const std::shared_ptr<const shard::PackedModel> model_;
  shard::LayerStack stack_;
  shard::KvPool pages_;
  std::unordered_map<uint64_t, State> states_;
  std::vector<Writing> writing_;
  std::vector<shard::Run> runs_;
  std::vector<float> hidden_;
  std::vector<float> logits_;
  sampling::Workspace workspace_;
};

}  // namespace waferline::plane
