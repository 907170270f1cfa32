#include "wafer_backend/compute/kernels/dtype.h"

#include <catch2/catch.hpp>
#include <string>

#include "wafer_backend/compute/kernels/quant_traits.h"

namespace waferline::kernels {
namespace {

struct Expected {
  DType dtype;
  double bits;  // a weight of the format, scales included
};
constexpr Expected kAll[] = {
    {DType::kF32, 32},      {DType::kF16, 16},      {DType::kBF16, 16},     {DType::kQ4_0, 4.5},
    {DType::kQ4_1, 5},      {DType::kQ5_0, 5.5},    {DType::kQ5_1, 6},      {DType::kQ8_0, 8.5},
    {DType::kQ2_K, 2.625},  {DType::kQ3_K, 3.4375}, {DType::kQ4_K, 4.5},    {DType::kQ5_K, 5.5},
    {DType::kQ6_K, 6.5625}, {DType::kIQ4_NL, 4.5},  {DType::kIQ4_XS, 4.25}, {DType::kMXFP4, 4.25}};

TEST_CASE("every dtype comes back from its GGUF number and is named as the specification does") {
  REQUIRE(std::size(kAll) == kQuantTraits.size());
  for (const auto& [dtype, bits] : kAll) {
    const auto number = static_cast<uint32_t>(dtype);
    REQUIRE(DTypeFromGguf(number) == dtype);
    REQUIRE(GgufTypeName(number) == Name(dtype));
    REQUIRE(RunnableStatus(dtype).ok());
  }
}

TEST_CASE("bytes follow from blocks: bits a weight of each format") {
  // elements 256 is a whole number of blocks for all of them
  for (const auto& [dtype, bits] : kAll) {
    REQUIRE(BytesFor(dtype, 256).as_double() * 8 / 256 == bits);
    REQUIRE(BytesFor(dtype, 512) == BytesFor(dtype, 256) * 2);
    REQUIRE(BytesFor(dtype, 0) == Bytes(0));
  }
}

TEST_CASE("a type that cannot run is named, with the way out") {
  REQUIRE_FALSE(DTypeFromGguf(16).has_value());
  const std::string message(RunnableStatus(16).message());
  REQUIRE(message.find("IQ2_XXS") != std::string::npos);
  REQUIRE(message.find("Q8_0") != std::string::npos);
  REQUIRE(RunnableStatus(4711).code() == absl::StatusCode::kUnimplemented);
  REQUIRE(std::string(RunnableStatus(4711).message()).find("4711") != std::string::npos);
}

}  // namespace
}  // namespace waferline::kernels
