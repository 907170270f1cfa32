#include "wafer_backend/compute/kernels/dtype.h"

#include <catch2/catch.hpp>
#include <string>

namespace waferline::kernels {
namespace {

constexpr DType kAll[] = {DType::kF32,  DType::kF16,  DType::kQ4_0, DType::kQ8_0,
                          DType::kQ4_K, DType::kQ5_K, DType::kQ6_K, DType::kBF16};

TEST_CASE("every dtype comes back from its GGUF number and is named as the specification does") {
  for (DType dtype : kAll) {
    const auto number = static_cast<uint32_t>(dtype);
    REQUIRE(DTypeFromGguf(number) == dtype);
    REQUIRE(GgufTypeName(number) == Name(dtype));
    REQUIRE(RunnableStatus(dtype).ok());
  }
}

TEST_CASE("bytes follow from blocks: bits a weight of each format") {
  // elements 256 is a whole number of blocks for all of them
  const double bits[] = {32, 16, 4.5, 8.5, 4.5, 5.5, 6.5625, 16};
  for (size_t i = 0; i < std::size(kAll); ++i) {
    REQUIRE(BytesFor(kAll[i], 256).as_double() * 8 / 256 == bits[i]);
    REQUIRE(BytesFor(kAll[i], 512) == BytesFor(kAll[i], 256) * 2);
    REQUIRE(BytesFor(kAll[i], 0) == Bytes(0));
  }
}

TEST_CASE("a type that cannot run is named, with the way out") {
  REQUIRE_FALSE(DTypeFromGguf(10).has_value());
  const std::string message(RunnableStatus(10).message());
  REQUIRE(message.find("Q2_K") != std::string::npos);
  REQUIRE(message.find("Q8_0") != std::string::npos);
  REQUIRE(RunnableStatus(4711).code() == absl::StatusCode::kUnimplemented);
  REQUIRE(std::string(RunnableStatus(4711).message()).find("4711") != std::string::npos);
}

}  // namespace
}  // namespace waferline::kernels
