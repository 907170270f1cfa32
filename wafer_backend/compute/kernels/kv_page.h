// How keys and values lie in a page: KV of `page_tokens` consecutive positions of one sequence over
// some layers of one shard. Only the kernels look inside; all other code moves pages as bytes.
//
//   page   [layers][2]            first keys, then values, unless these are a part of the keys
//   keys   [kv_heads][page_tokens / 16][head_dim][16]   positions side by side, as a vector of
//                                               scores needs no sum across lanes; in blocks, so
//                                               that a position touches few cache lines
//   values [kv_heads][page_tokens][value_width]
//
// Elements are F16 or BF16, rounded to nearest even. A plain value, any thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "wafer_backend/base/units.h"
#include "wafer_backend/compute/kernels/cpu.h"
#include "wafer_backend/compute/kernels/dtype.h"

namespace waferline::kernels {

struct KvPageLayout {
  int64_t layers = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t page_tokens = 32;   // a positive multiple of 16, the same for the life of the model
  DType dtype = DType::kF16;  // or kBF16
  int64_t value_dim = 0;      // elements of a head's value; 0: head_dim
  // A value is the last elements of its key, as where attention is latent: stored once.
  bool values_in_keys = false;

  // InvalidArgument naming the field that is out of range.
  absl::Status Check() const;

  static constexpr int64_t kKeyBlock = 16;  // positions

  int64_t value_width() const { return value_dim == 0 ? head_dim : value_dim; }
  Bytes keys_bytes() const { return Bytes(kv_heads * head_dim * page_tokens * 2); }
  Bytes values_bytes() const {
    return Bytes(values_in_keys ? 0 : kv_heads * value_width() * page_tokens * 2);
  }
  // A multiple of 64.
  Bytes layer_bytes() const {
    return Bytes(((keys_bytes() + values_bytes()).count() + 63) / 64 * 64);
  }
  Bytes page_bytes() const { return layers * layer_bytes(); }

  // Where a layer's keys and values start, from the page's first byte.
  int64_t keys_at(int64_t layer) const { return layer * layer_bytes().count(); }
  int64_t values_at(int64_t layer) const { return keys_at(layer) + keys_bytes().count(); }
};

// Writes one position's keys and values. page: 64-byte aligned; slot = position % page_tokens;
// key: f32 [kv_heads][head_dim]; value: f32 [kv_heads][value_width], not read if values are in the
// keys. Different slots of a page may be written at the same time.
void StoreKv(const KvPageLayout& layout, std::byte* page, int64_t layer, int64_t slot,
             const float* key, const float* value, CpuPath path = BestPath());

}  // namespace waferline::kernels
