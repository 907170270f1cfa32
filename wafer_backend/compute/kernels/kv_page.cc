#include "wafer_backend/compute/kernels/kv_page.h"

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/kernels/half.h"

namespace waferline::kernels {

absl::Status KvPageLayout::Check() const {
  if (layers < 0) return absl::InvalidArgumentError("KV page: layers must not be negative");
  if (kv_heads <= 0) return absl::InvalidArgumentError("KV page: kv_heads must be positive");
  if (head_dim <= 0 || head_dim > 1024) {
    return absl::InvalidArgumentError(
        absl::StrCat("KV page: head_dim is ", head_dim, ", must be 1 to 1024"));
  }
  if (page_tokens <= 0 || page_tokens % 16 != 0 || page_tokens > 256) {
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
  auto* keys = reinterpret_cast<uint16_t*>(page + layout.keys_at(layer));
  auto* values = reinterpret_cast<uint16_t*>(page + layout.values_at(layer));
  const auto round = layout.dtype == DType::kF16 ? F16FromFloat : Bf16FromFloat;
  for (int64_t head = 0; head < layout.kv_heads; ++head) {
    for (int64_t d = 0; d < layout.head_dim; ++d) {
      const int64_t i = head * layout.head_dim + d;
      keys[i * layout.page_tokens + slot] = round(key[i]);
      values[(head * layout.page_tokens + slot) * layout.head_dim + d] = round(value[i]);
    }
  }
}

}  // namespace waferline::kernels
