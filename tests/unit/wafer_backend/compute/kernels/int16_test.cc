// F16 and BF16 as integers of 16 bits: what int16_form.h promises of them.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>

#include "random_weights.h"
#include "wafer_backend/compute/kernels/dequantize.h"
#include "wafer_backend/compute/kernels/int16_form.h"
#include "wafer_backend/compute/kernels/matrix.h"

namespace waferline::kernels {
namespace {

struct Weights {
  int64_t rows;
  int64_t cols;
  std::vector<float> plain;  // [rows][cols], rounded to the type
  PackedMatrix packed;
};

Weights MakeWeights(DType dtype, int64_t rows, int64_t cols, const std::vector<float>& values) {
  std::vector<std::byte> bytes(values.size() * 2);
  for (size_t i = 0; i < values.size(); ++i) {
    const uint16_t bits = dtype == DType::kF16 ? F16FromFloat(values[i]) : Bf16FromFloat(values[i]);
    std::memcpy(&bytes[i * 2], &bits, 2);
  }
  Weights made{.rows = rows, .cols = cols, .plain = std::vector<float>(values.size())};
  Dequantize(dtype, bytes.data(), rows * cols, made.plain.data());
  ThreadPool pool(1);
  auto packed = PackedMatrix::Pack(dtype, rows, cols, bytes, pool);
  REQUIRE(packed.ok());
  made.packed = *std::move(packed);
  return made;
}

std::vector<float> Multiply(const Weights& w, const std::vector<float>& x, CpuPath path) {
  const int64_t n = std::ssize(x) / w.cols;
  std::vector<float> y(static_cast<size_t>(n * w.rows), NAN);
  ThreadPool pool(2);
  Scratch scratch;
  MatMul(w.packed, x.data(), y.data(), n, pool, scratch, path);
  return y;
}

// The sum in doubles and that of its terms' magnitudes.
std::pair<double, double> Exact(const Weights& w, const std::vector<float>& x, int64_t i,
                                int64_t row) {
  double sum = 0, magnitude = 0;
  for (int64_t col = 0; col < w.cols; ++col) {
    const double product = double{w.plain[row * w.cols + col]} * x[i * w.cols + col];
    sum += product;
    magnitude += std::fabs(product);
  }
  return {sum, magnitude};
}

template <typename Body>
void ForTypesAndPaths(Body body) {
  for (const QuantTraits& type : kQuantTraits) {
    if (!type.int16()) continue;
    for (CpuPath path : PathsOfThisMachine()) {
      CAPTURE(type.name, Name(path));
      body(type.dtype, path);
    }
  }
}

TEST_CASE("every CPU path gives the same bits") {
  SeededStream random(7);
  for (DType dtype : {DType::kF16, DType::kBF16}) {
    for (int round = 0; round < 12; ++round) {
      const int64_t rows = RandomBetween(random, 1, 70), cols = RandomBetween(random, 1, 500);
      const int64_t n = RandomBetween(random, 1, 40);
      const Weights w = MakeWeights(dtype, rows, cols, RandomFloats(random, rows * cols));
      const std::vector<float> x = RandomFloats(random, n * cols);
      const std::vector<float> first = Multiply(w, x, CpuPath::kPortable);
      for (CpuPath path : PathsOfThisMachine()) {
        CAPTURE(Name(dtype), Name(path), rows, cols, n);
        REQUIRE(Multiply(w, x, path) == first);
      }
    }
  }
}

TEST_CASE("weights keep a bound of their block's largest, large ones every bit") {
  SeededStream random(11);
  constexpr int64_t kRows = 17, kCols = 75;  // three blocks, the last not whole
  ForTypesAndPaths([&](DType dtype, CpuPath path) {
    std::vector<float> values = RandomFloats(random, kRows * kCols);
    for (float& value : values) value = std::ldexp(value, -static_cast<int>(random.Next() % 20));
    const Weights w = MakeWeights(dtype, kRows, kCols, values);
    std::vector<float> x(kCols * kCols);  // each row takes one column's weights out
    for (int64_t col = 0; col < kCols; ++col) x[col * kCols + col] = 1;
    const std::vector<float> y = Multiply(w, x, path);
    const double exact_from = dtype == DType::kF16 ? 0x1p-3 : 0x1p-6;
    for (int64_t row = 0; row < kRows; ++row) {
      for (int64_t col = 0; col < kCols; ++col) {
        double largest = 0;
        for (int64_t i = col / 32 * 32; i < std::min(kCols, col / 32 * 32 + 32); ++i) {
          largest = std::max(largest, std::fabs(double{w.plain[row * kCols + i]}));
        }
        const double weight = w.plain[row * kCols + col];
        const double power = std::exp2(std::floor(std::log2(largest)));
        const double bound = std::fabs(weight) >= exact_from * power ? 0 : 0x1p-14 * largest;
        CAPTURE(row, col, weight, largest);
        REQUIRE(std::fabs(y[col * kRows + row] - weight) <= bound + 0x1p-21 * std::fabs(weight));
      }
    }
  });
}

TEST_CASE("normally distributed values lose a ten thousandth") {
  SeededStream random(13);
  ForTypesAndPaths([&](DType dtype, CpuPath path) {
    constexpr int64_t kRows = 64, kCols = 1024, kN = 9;
    const Weights w = MakeWeights(dtype, kRows, kCols, RandomFloats(random, kRows * kCols));
    const std::vector<float> x = RandomFloats(random, kN * kCols);
    const std::vector<float> y = Multiply(w, x, path);
    double error = 0, size = 0;
    for (int64_t i = 0; i < kN * kRows; ++i) {
      const double sum = Exact(w, x, i / kRows, i % kRows).first;
      error += (y[i] - sum) * (y[i] - sum);
      size += sum * sum;
    }
    REQUIRE(std::sqrt(error / size) < 1e-4);
    REQUIRE(error > 0);
  });
}

TEST_CASE("sums of the largest integers are exact") {
  ForTypesAndPaths([&](DType dtype, CpuPath path) {
    constexpr int64_t kRows = 18, kCols = 160;
    // As near below a power of two as the type has it: 2^14 - 8 as integers, or - 64.
    const float largest = dtype == DType::kF16 ? 65504.0f : 0x1.fep10f;
    std::vector<float> values(kRows * kCols);
    for (int64_t i = 0; i < kRows * kCols; ++i) values[i] = i / kCols % 2 == 0 ? largest : -largest;
    const Weights w = MakeWeights(dtype, kRows, kCols, values);
    for (float unlike : {1.0f, 0.999f, 3.0f, 1e6f}) {  // one of each block
      for (int64_t n : {1, 13}) {
        std::vector<float> x(n * kCols, 1.0f);
        for (int64_t i = 0; i < n * kCols; i += 32) x[i] = unlike;
        const std::vector<float> y = Multiply(w, x, path);
        for (int64_t i = 0; i < n * kRows; ++i) {
          const auto [sum, magnitude] = Exact(w, x, i / kRows, i % kRows);
          CAPTURE(unlike, n, i);
          REQUIRE(std::fabs(y[i] - sum) <= 3e-4 * magnitude);
        }
      }
    }
  });
}

TEST_CASE("what is not finite makes its own outputs NaN and no others") {
  SeededStream random(19);
  ForTypesAndPaths([&](DType dtype, CpuPath path) {
    constexpr int64_t kRows = 20, kCols = 96, kN = 14;
    std::vector<float> values = RandomFloats(random, kRows * kCols);
    values[3 * kCols + 40] = INFINITY;
    values[17 * kCols + 95] = NAN;
    const Weights w = MakeWeights(dtype, kRows, kCols, values);
    std::vector<float> x = RandomFloats(random, kN * kCols);
    x[5 * kCols + 1] = NAN;
    x[12 * kCols + 64] = -INFINITY;
    const std::vector<float> y = Multiply(w, x, path);
    for (int64_t i = 0; i < kN * kRows; ++i) {
      const int64_t n = i / kRows, row = i % kRows;
      CAPTURE(n, row);
      REQUIRE(std::isnan(y[i]) == (row == 3 || row == 17 || n == 5 || n == 12));
    }
  });
}

}  // namespace
}  // namespace waferline::kernels
