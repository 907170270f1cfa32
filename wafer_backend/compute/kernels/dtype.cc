#include "wafer_backend/compute/kernels/dtype.h"

#include <array>
#include <string>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/strings.h"

namespace waferline::kernels {
namespace {

struct Layout {
  DType dtype;
  std::string_view name;
  int64_t block_length;
  int64_t block_bytes;
};

// Block bytes: Q8_0 f16 scale + 32 int8; Q4_0 f16 scale + 32 nibbles; Q4_K two f16, 12 bytes of
// 6-bit scales and minima, 256 nibbles; Q5_K the same with 32 bytes of fifth bits; Q6_K 256 six-bit
// values, 16 int8 scales, one f16.
constexpr std::array<Layout, 8> kLayouts = {{
    {DType::kF32, "F32", 1, 4},
    {DType::kF16, "F16", 1, 2},
    {DType::kQ4_0, "Q4_0", 32, 2 + 16},
    {DType::kQ8_0, "Q8_0", 32, 2 + 32},
    {DType::kQ4_K, "Q4_K", 256, 4 + 12 + 128},
    {DType::kQ5_K, "Q5_K", 256, 4 + 12 + 32 + 128},
    {DType::kQ6_K, "Q6_K", 256, 128 + 64 + 16 + 2},
    {DType::kBF16, "BF16", 1, 2},
}};

// Names by number, from the GGUF specification; empty where a number was withdrawn.
constexpr std::array<std::string_view, 36> kNames = {
    "F32",     "F16",   "Q4_0",   "Q4_1",  "",      "",       "Q5_0", "Q5_1",    "Q8_0",
    "Q8_1",    "Q2_K",  "Q3_K",   "Q4_K",  "Q5_K",  "Q6_K",   "Q8_K", "IQ2_XXS", "IQ2_XS",
    "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS", "I8",   "I16",     "I32",
    "I64",     "F64",   "IQ1_M",  "BF16",  "",      "",       "",     "TQ1_0",   "TQ2_0"};

const Layout& LayoutOf(DType dtype) {
  for (const Layout& layout : kLayouts) {
    if (layout.dtype == dtype) return layout;
  }
  CheckFailed("known dtype", __FILE__, __LINE__);
}

}  // namespace

std::optional<DType> DTypeFromGguf(uint32_t number) {
  for (const Layout& layout : kLayouts) {
    if (static_cast<uint32_t>(layout.dtype) == number) return layout.dtype;
  }
  return std::nullopt;
}

std::string_view GgufTypeName(uint32_t number) {
  return number < kNames.size() ? kNames[number] : std::string_view();
}

std::string_view Name(DType dtype) { return LayoutOf(dtype).name; }
int64_t BlockLength(DType dtype) { return LayoutOf(dtype).block_length; }
Bytes BlockBytes(DType dtype) { return Bytes(LayoutOf(dtype).block_bytes); }

Bytes BytesFor(DType dtype, int64_t elements) {
  const Layout& layout = LayoutOf(dtype);
  WL_CHECK(elements >= 0 && elements % layout.block_length == 0);
  return Bytes(elements / layout.block_length * layout.block_bytes);
}

absl::Status RunnableStatus(uint32_t gguf_number) {
  if (DTypeFromGguf(gguf_number)) return absl::OkStatus();
  const std::string_view known = GgufTypeName(gguf_number);
  std::string runnable;
  for (const Layout& layout : kLayouts) {
    absl::StrAppend(&runnable, runnable.empty() ? "" : ", ", Absl(layout.name));
  }
  return absl::UnimplementedError(absl::StrCat(
      "weights of type ", known.empty() ? absl::StrCat(gguf_number) : std::string(known),
      " cannot be run; convert the model to one of ", runnable));
}

}  // namespace waferline::kernels
