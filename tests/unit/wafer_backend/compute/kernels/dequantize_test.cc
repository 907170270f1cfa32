// Every type's unpacking against the tests' own reading of the formats, over random bits.
#include "wafer_backend/compute/kernels/dequantize.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "random_weights.h"
#include "tests/reference/reference_model.h"

namespace waferline::kernels {
namespace {

TEST_CASE("any bits are unpacked to what the format says, in every dtype") {
  SeededStream random(59);
  constexpr int64_t kCols = 256, kRows = 40;
  for (const DType dtype : kAllDTypes) {
    const std::vector<std::byte> bytes = RandomTensor(random, dtype, kRows * kCols);
    model::GgufTensor tensor;
    tensor.dtype = dtype;
    tensor.rank = 2;
    tensor.dims = {kCols, kRows, 1, 1};
    tensor.bytes = bytes;
    const std::vector<double> want = reference::Decode(tensor);
    std::vector<float> got(want.size());
    Dequantize(dtype, bytes.data(), kRows * kCols, got.data());
    double largest = 0;
    for (const double value : want) largest = std::max(largest, std::fabs(value));
    for (size_t i = 0; i < got.size(); ++i) {
      CAPTURE(Name(dtype), i, got[i], want[i]);
      REQUIRE(std::fabs(got[i] - want[i]) <= 0x1p-22 * largest);  // each product rounded once
    }
    REQUIRE(largest > 0);
  }
}

}  // namespace
}  // namespace waferline::kernels
