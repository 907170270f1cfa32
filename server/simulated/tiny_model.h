// A model of a few thousand random weights, read from a complete GGUF file in memory: small enough
// that a run computes its tokens in microseconds, and every one of them depends on all before it.
#pragma once

#include <cstdint>
#include <memory>

#include "wafer_backend/compute/shard/packed_model.h"

namespace waferline::simulated {

class TinyModel {
 public:
  static constexpr int kLayers = 3;
  static constexpr int kHidden = 16;
  static constexpr int kVocabulary = 48;
  static constexpr int kContext = 64;

  TinyModel();  // the same each time

  // All layers, for any number of workers on any thread.
  const std::shared_ptr<const shard::PackedModel>& packed() const { return packed_; }

 private:
  std::shared_ptr<const shard::PackedModel> packed_;
};

}  // namespace waferline::simulated
