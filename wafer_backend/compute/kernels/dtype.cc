#include "wafer_backend/compute/kernels/dtype.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/kernels/quant_traits.h"

namespace waferline::kernels {
namespace {

// Types of the GGUF specification that have no row of QuantTraits, by number.
struct OtherType {
  uint32_t number;
  std::string_view name;
};
constexpr OtherType kOtherTypes[] = {
    {9, "Q8_1"},   {15, "Q8_K"},  {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"},
    {21, "IQ3_S"}, {22, "IQ2_S"}, {24, "I8"},      {25, "I16"},    {26, "I32"},     {27, "I64"},
    {28, "F64"},   {29, "IQ1_M"}, {34, "TQ1_0"},   {35, "TQ2_0"}};

}  // namespace

std::optional<DType> DTypeFromGguf(uint32_t number) {
  for (const QuantTraits& type : kQuantTraits) {
    if (static_cast<uint32_t>(type.dtype) == number) return type.dtype;
  }
  return std::nullopt;
}

std::string_view GgufTypeName(uint32_t number) {
  if (const std::optional<DType> dtype = DTypeFromGguf(number)) return Name(*dtype);
  for (const OtherType& type : kOtherTypes) {
    if (type.number == number) return type.name;
  }
  return {};
}

std::string_view Name(DType dtype) { return TraitsOf(dtype).name; }
int64_t BlockLength(DType dtype) { return TraitsOf(dtype).block_length; }
Bytes BlockBytes(DType dtype) { return Bytes(TraitsOf(dtype).block_bytes); }

Bytes BytesFor(DType dtype, int64_t elements) {
  const QuantTraits& type = TraitsOf(dtype);
  WL_CHECK(elements >= 0 && elements % type.block_length == 0);
  return Bytes(elements / type.block_length * type.block_bytes);
}

absl::Status RunnableStatus(uint32_t gguf_number) {
  if (DTypeFromGguf(gguf_number)) return absl::OkStatus();
  const std::string_view known = GgufTypeName(gguf_number);
  std::string runnable;
  for (const QuantTraits& type : kQuantTraits) {
    absl::StrAppend(&runnable, runnable.empty() ? "" : ", ", Absl(type.name));
  }
  return absl::UnimplementedError(absl::StrCat(
      "weights of type ", known.empty() ? absl::StrCat(gguf_number) : std::string(known),
      " cannot be run; convert the model to one of ", runnable));
}

}  // namespace waferline::kernels
