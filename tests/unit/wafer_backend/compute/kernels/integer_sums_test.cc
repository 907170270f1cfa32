// Integer sums of products at their ends: the largest and the smallest weights of each type times
// activations of one sign. A sum that left its 16 bits would be wrong by far more than rounding.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>

#include "random_weights.h"
#include "wafer_backend/compute/kernels/dequantize.h"
#include "wafer_backend/compute/kernels/matrix.h"

namespace waferline::kernels {
namespace {

constexpr int64_t kRows = 18, kCols = 512;

// Every other row all ones but its units, the rest all zeros.
std::vector<std::byte> ExtremeTensor(SeededStream& random, const QuantTraits& type) {
  std::vector<std::byte> bytes = RandomTensor(random, type.dtype, kRows * kCols);
  const auto block_bytes = static_cast<size_t>(type.block_bytes);
  const size_t row_bytes = bytes.size() / kRows;
  const size_t unit_bytes = type.unit == UnitForm::kE8M0 ? 1 : type.minima ? 4 : 2;
  for (size_t at = 0; at < bytes.size(); ++at) {
    const size_t in_block = at % block_bytes;
    if (in_block >= type.unit_at && in_block < type.unit_at + unit_bytes) continue;
    bytes[at] = at / row_bytes % 2 == 0 ? std::byte{0xff} : std::byte{0};
  }
  return bytes;
}

TEST_CASE("sums of the largest products are exact") {
  SeededStream random(53);
  ThreadPool pool(1);
  for (const QuantTraits& type : kQuantTraits) {
    if (!type.quantised()) continue;
    const std::vector<std::byte> bytes = ExtremeTensor(random, type);
    std::vector<float> plain(kRows * kCols);
    Dequantize(type.dtype, bytes.data(), kRows * kCols, plain.data());
    auto packed = PackedMatrix::Pack(type.dtype, kRows, kCols, bytes, pool);
    REQUIRE(packed.ok());
    for (CpuPath path : PathsOfThisMachine()) {
      for (int64_t n : {1, 8, 97}) {
        for (float value : {1.0f, -1.0f}) {
          const std::vector<float> x(n * kCols, value);
          std::vector<float> y(n * kRows);
          Scratch scratch;
          MatMul(*packed, x.data(), y.data(), n, pool, scratch, path);
          for (int64_t i = 0; i < n * kRows; ++i) {
            double sum = 0, magnitude = 0;
            for (int64_t col = 0; col < kCols; ++col) {
              const double product = plain[i % kRows * kCols + col] * value;
              sum += product;
              magnitude += std::fabs(product);
            }
            CAPTURE(type.name, Name(path), n, value, i);
            REQUIRE(std::fabs(y[i] - sum) <= 0.02 * magnitude + 1e-6);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace waferline::kernels
