#include "wafer_backend/compute/kernels/kv_page.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "wafer_backend/compute/kernels/kv_page.cc"
#include "wafer_backend/compute/kernels/highway_paths.h"
// clang-format off
#include "hwy/foreach_target.h"
// clang-format on
#include <array>

#include "absl/strings/str_cat.h"
#include "hwy/highway.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/kernels/half.h"

HWY_BEFORE_NAMESPACE();
namespace waferline::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// out[i] = x[i] rounded to nearest even.
void RoundRow(DType dtype, const float* x, int64_t size, uint16_t* out) {
  const hn::CappedTag<float, 16> d;
  const hn::Rebind<hwy::float16_t, decltype(d)> half;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  if (dtype == DType::kBF16) {
    for (; i < size; ++i) out[i] = Bf16FromFloat(x[i]);
    return;
  }
  // (Highway's emulation of this conversion truncates, so one lane goes our own way.)
  for (; lanes > 1 && i + lanes <= size; i += lanes) {
    hn::StoreU(hn::DemoteTo(half, hn::LoadU(d, x + i)), half,
               reinterpret_cast<hwy::float16_t*>(out + i));
  }
  for (; i < size; ++i) out[i] = F16FromFloat(x[i]);
}

}  // namespace HWY_NAMESPACE
}  // namespace waferline::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace waferline::kernels {

absl::Status KvPageLayout::Check() const {
  if (layers < 0) return absl::InvalidArgumentError("KV page: layers must not be negative");
  if (kv_heads <= 0) return absl::InvalidArgumentError("KV page: kv_heads must be positive");
  if (head_dim <= 0 || head_dim > 1024) {
    return absl::InvalidArgumentError(
        absl::StrCat("KV page: head_dim is ", head_dim, ", must be 1 to 1024"));
  }
  if (value_dim < 0 || value_dim > 1024) {
    return absl::InvalidArgumentError(
        absl::StrCat("KV page: value_dim is ", value_dim, ", must be 0 (as head_dim) to 1024"));
  }
  if (values_in_keys && value_dim > head_dim) {
    return absl::InvalidArgumentError(absl::StrCat("KV page: value_dim is ", value_dim,
                                                   ", must be at most head_dim, ", head_dim,
                                                   ", as values are a part of the keys"));
  }
  if (page_tokens <= 0 || page_tokens % kKeyBlock != 0 || page_tokens > 256) {
    return absl::InvalidArgumentError(absl::StrCat("KV page: page_tokens is ", page_tokens,
                                                   ", must be a multiple of 16, at most 256"));
  }
  if (dtype != DType::kF16 && dtype != DType::kBF16) {
    return absl::InvalidArgumentError(
        absl::StrCat("KV page: dtype is ", Absl(Name(dtype)), ", must be F16 or BF16"));
  }
  return absl::OkStatus();
}

void StoreKv(const KvPageLayout& layout, std::byte* page, int64_t layer, int64_t slot,
             const float* key, const float* value, CpuPath path) {
  WL_CHECK(slot >= 0 && slot < layout.page_tokens);
  constexpr int64_t kBlock = KvPageLayout::kKeyBlock;
  const int64_t value_width = layout.value_width();
  auto* keys = reinterpret_cast<uint16_t*>(page + layout.keys_at(layer)) +
               slot / kBlock * kBlock * layout.head_dim + slot % kBlock;
  auto* values = reinterpret_cast<uint16_t*>(page + layout.values_at(layer)) + slot * value_width;
  const auto round_row = WL_FOR_PATH(path, RoundRow);
  std::array<uint16_t, 1024> rounded;
  for (int64_t head = 0; head < layout.kv_heads; ++head) {
    round_row(layout.dtype, key, layout.head_dim, rounded.data());
    for (int64_t d = 0; d < layout.head_dim; ++d) keys[d * kBlock] = rounded[d];
    key += layout.head_dim;
    keys += layout.page_tokens * layout.head_dim;
    if (layout.values_in_keys) continue;
    round_row(layout.dtype, value, value_width, values);
    value += value_width;
    values += layout.page_tokens * value_width;
  }
}

}  // namespace waferline::kernels
#endif  // HWY_ONCE
