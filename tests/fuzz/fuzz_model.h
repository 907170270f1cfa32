// The model of the workers that a fuzzer talks to: small, and whole.
#pragma once

#include <memory>

#include "tests/support/random_model.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/compute/model/gguf.h"
#include "wafer_backend/compute/shard/packed_model.h"

namespace waferline::fuzz {

inline constexpr int64_t kLayers = 2, kPageTokens = 16;

inline const std::shared_ptr<const shard::PackedModel>& Model() {
  static const auto* const model = [] {
    const test::RandomModelSpec spec{
        .layers = kLayers, .hidden = 32, .heads = 2, .kv_heads = 1, .ffn = 32, .context = 64};
    auto file = model::GgufFile::FromBytes(test::RandomModelBytes(spec), "random.gguf");
    WL_CHECK(file.ok());
    kernels::ThreadPool pool(1);
    auto packed = shard::PackedModel::Load(*file, {0, kLayers}, &pool);
    WL_CHECK(packed.ok());
    return new std::shared_ptr<const shard::PackedModel>(*std::move(packed));
  }();
  return *model;
}

}  // namespace waferline::fuzz
