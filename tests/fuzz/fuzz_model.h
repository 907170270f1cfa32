// The models of the workers that a fuzzer talks to: small, and whole.
#pragma once

#include <memory>
#include <utility>

#include "tests/support/random_model.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/compute/model/gguf.h"
#include "wafer_backend/compute/shard/packed_model.h"

namespace waferline::fuzz {

inline constexpr int64_t kLayers = 2, kPageTokens = 16;

using ModelPtr = std::shared_ptr<const shard::PackedModel>;

inline ModelPtr LoadModel(int experts, const shard::ModelPart& part) {
  const test::RandomModelSpec spec{.layers = kLayers,
                                   .hidden = 32,
                                   .heads = 2,
                                   .kv_heads = 1,
                                   .ffn = 32,
                                   .context = 64,
                                   .experts = experts};
  auto file = model::GgufFile::FromBytes(test::RandomModelBytes(spec), "random.gguf");
  WL_CHECK(file.ok());
  kernels::ThreadPool pool(1);
  auto packed = shard::PackedModel::LoadPart(*file, part, &pool);
  WL_CHECK(packed.ok());
  return *std::move(packed);
}

inline const ModelPtr& Model() {
  static const auto* const model = new ModelPtr(LoadModel(0, {.layers = {0, kLayers}}));
  return *model;
}

}  // namespace waferline::fuzz
