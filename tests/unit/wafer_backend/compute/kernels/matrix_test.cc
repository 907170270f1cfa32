#include "wafer_backend/compute/kernels/matrix.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <string>

#include "random_weights.h"
#include "wafer_backend/compute/kernels/dequantize.h"
#include "wafer_backend/compute/kernels/int16_form.h"
#include "wafer_backend/compute/kernels/quant_traits.h"

namespace waferline::kernels {
namespace {

struct Case {
  DType dtype;
  int64_t rows;
  int64_t cols;
  std::vector<float> plain;  // dequantised weights [rows][cols]
  PackedMatrix packed;
};

Case MakeCase(SeededStream& random, DType dtype, int64_t rows, int64_t cols, ThreadPool& pool) {
  Case made{.dtype = dtype, .rows = rows, .cols = cols};
  const std::vector<std::byte> bytes = RandomTensor(random, dtype, rows * cols);
  made.plain.resize(static_cast<size_t>(rows * cols));
  Dequantize(dtype, bytes.data(), rows * cols, made.plain.data());
  auto packed = PackedMatrix::Pack(dtype, rows, cols, bytes, pool);
  REQUIRE(packed.ok());
  made.packed = *std::move(packed);
  return made;
}

std::vector<float> Multiply(const Case& c, const std::vector<float>& x, int64_t n, ThreadPool& pool,
                            CpuPath path) {
  std::vector<float> y(static_cast<size_t>(n * c.rows), NAN);
  Scratch scratch;
  MatMul(c.packed, x.data(), y.data(), n, pool, scratch, path);
  return y;
}

// What rounding activations may cost: half a step of the int8 grid (block maximum / 254) or of
// int16_form.h, in every column at once at worst; random signs make it sqrt(cols) times the size of
// one.
double Tolerance(DType dtype, double weight_norm, double x_max) {
  const double step = dtype == DType::kF32      ? 1e-6
                      : TraitsOf(dtype).int16() ? kInt16Block / kInt16LargestSum  // all the largest
                      : TraitsOf(dtype).paired() ? 4.0 / kLargestFour  // all four the largest
                                                 : 1.0 / 120;
  return 2.5 * step * x_max * weight_norm + 1e-5;
}

void CheckAgainstReference(const Case& c, const std::vector<float>& x, const std::vector<float>& y,
                           int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t row = 0; row < c.rows; ++row) {
      double sum = 0;
      double norm = 0;
      double x_max = 0;
      for (int64_t col = 0; col < c.cols; ++col) {
        const double weight = c.plain[row * c.cols + col];
        sum += weight * x[i * c.cols + col];
        norm += weight * weight;
        x_max = std::max(x_max, std::fabs(static_cast<double>(x[i * c.cols + col])));
      }
      REQUIRE(std::fabs(y[i * c.rows + row] - sum) <= Tolerance(c.dtype, std::sqrt(norm), x_max));
    }
  }
}

TEST_CASE("products agree with a double reference in every dtype and CPU path") {
  SeededStream random(101);
  ThreadPool pool(2);
  for (DType dtype : kAllDTypes) {
    for (CpuPath path : PathsOfThisMachine()) {
      for (int round = 0; round < 4; ++round) {
        const int64_t rows = RandomBetween(random, 1, 70);
        const int64_t cols = BlockLength(dtype) > 1
                                 ? BlockLength(dtype) * RandomBetween(random, 1, 5)
                                 : RandomBetween(random, 1, 300);
        const int64_t n = RandomBetween(random, 1, 20);
        CAPTURE(Name(dtype), Name(path), rows, cols, n, round);
        const Case c = MakeCase(random, dtype, rows, cols, pool);
        const std::vector<float> x = RandomFloats(random, n * cols);
        CheckAgainstReference(c, x, Multiply(c, x, n, pool, path), n);
      }
    }
  }
}

TEST_CASE("a row's product has the same bits alone, in any batch and with any number of threads") {
  ThreadPool one(1);
  ThreadPool three(3);
  const uint64_t seed = GENERATE(range(1, 9));
  SeededStream random(seed);
  for (DType dtype : kAllDTypes) {
    for (CpuPath path : PathsOfThisMachine()) {
      const int64_t rows = RandomBetween(random, 1, 100);
      const int64_t cols = BlockLength(dtype) > 1 ? BlockLength(dtype) * RandomBetween(random, 1, 9)
                                                  : RandomBetween(random, 1, 700);
      const int64_t n = RandomBetween(random, 2, 100);
      CAPTURE(seed, Name(dtype), Name(path), rows, cols, n);
      const Case c = MakeCase(random, dtype, rows, cols, one);
      const std::vector<float> x = RandomFloats(random, n * cols);
      const std::vector<float> whole = Multiply(c, x, n, three, path);
      for (int64_t first = 0; first < n;) {
        const int64_t count = std::min(n - first, RandomBetween(random, 1, 9));
        const std::vector<float> some(x.begin() + first * cols, x.begin() + (first + count) * cols);
        const std::vector<float> part = Multiply(c, some, count, one, path);
        REQUIRE(std::memcmp(part.data(), &whole[first * rows], part.size() * 4) == 0);
        first += count;
      }
    }
  }
}

// Where many rows meet two at a time in a byte (Winograd's products), these fill it to its ends.
TEST_CASE("the largest activations have the same bits alone and among many rows") {
  SeededStream random(41);
  ThreadPool pool(2);
  for (DType dtype : kAllDTypes) {
    for (CpuPath path : PathsOfThisMachine()) {
      const int64_t rows = 50, cols = 256, n = 97;
      CAPTURE(Name(dtype), Name(path));
      const Case c = MakeCase(random, dtype, rows, cols, pool);
      std::vector<float> x(n * cols);
      for (float& value : x) value = random.Next() % 2 == 0 ? 1.0f : -1.0f;
      const std::vector<float> whole = Multiply(c, x, n, pool, path);
      CheckAgainstReference(c, x, whole, n);
      for (int64_t row = 0; row < n; ++row) {
        const std::vector<float> one(x.begin() + row * cols, x.begin() + (row + 1) * cols);
        const std::vector<float> alone = Multiply(c, one, 1, pool, path);
        REQUIRE(std::memcmp(alone.data(), &whole[row * rows], rows * 4) == 0);
      }
    }
  }
}

TEST_CASE("batches of different rows give what each gives alone, in one call") {
  SeededStream random(6);
  ThreadPool one(1);
  ThreadPool three(3);
  constexpr int64_t kCols = 512;
  for (CpuPath path : PathsOfThisMachine()) {
    std::vector<Case> cases;
    std::vector<std::vector<float>> x, y;
    std::vector<Product> products;
    std::vector<int64_t> counts = {3, 0, 1, 40, 100};
    for (int64_t n : counts) {
      for (DType dtype : {DType::kQ4_0, DType::kQ4_K}) {
        cases.push_back(MakeCase(random, dtype, RandomBetween(random, 1, 70), kCols, one));
        y.emplace_back(static_cast<size_t>(n * cases.back().rows), NAN);
      }
      x.push_back(RandomFloats(random, n * kCols));
    }
    for (size_t i = 0; i < cases.size(); ++i) products.push_back({&cases[i].packed, y[i].data()});
    std::vector<Batch> batches;
    for (size_t b = 0; b < counts.size(); ++b) {
      batches.push_back({std::span(products).subspan(2 * b, 2), x[b].data(), counts[b]});
    }
    Scratch scratch;
    MatMul(batches, three, scratch, path);
    for (size_t i = 0; i < cases.size(); ++i) {
      CAPTURE(Name(path), i, cases[i].rows);
      const std::vector<float> alone = Multiply(cases[i], x[i / 2], counts[i / 2], one, path);
      REQUIRE(alone.size() == y[i].size());
      if (alone.empty()) continue;  // no rows: memcmp takes no null pointer
      REQUIRE(std::memcmp(alone.data(), y[i].data(), alone.size() * 4) == 0);
    }
  }
}

TEST_CASE("products that share their input give what each gives alone") {
  SeededStream random(5);
  ThreadPool pool(2);
  const Case a = MakeCase(random, DType::kQ4_K, 40, 512, pool);
  const Case b = MakeCase(random, DType::kF16, 17, 512, pool);
  const Case c = MakeCase(random, DType::kQ6_K, 100, 512, pool);
  const Case d = MakeCase(random, DType::kQ4_0, 50, 512, pool);
  for (CpuPath path : PathsOfThisMachine()) {
    for (int64_t n : {1, 7, 40, 90}) {
      const std::vector<float> x = RandomFloats(random, n * 512);
      std::vector<float> ya(n * 40), yb(n * 17), yc(n * 100), yd(n * 50);
      const Product all[] = {{&a.packed, ya.data()},
                             {&b.packed, yb.data()},
                             {&c.packed, yc.data()},
                             {&d.packed, yd.data()}};
      Scratch scratch;
      MatMul(all, x.data(), n, pool, scratch, path);
      REQUIRE(ya == Multiply(a, x, n, pool, path));
      REQUIRE(yb == Multiply(b, x, n, pool, path));
      REQUIRE(yc == Multiply(c, x, n, pool, path));
      REQUIRE(yd == Multiply(d, x, n, pool, path));
    }
  }
}

TEST_CASE("zero activations and zero weights give zero, not NaN") {
  ThreadPool pool(1);
  for (DType dtype : kAllDTypes) {
    for (CpuPath path : PathsOfThisMachine()) {
      SeededStream random(3);
      const Case c = MakeCase(random, dtype, 20, 256, pool);
      for (float y : Multiply(c, std::vector<float>(256, 0.0f), 1, pool, path)) REQUIRE(y == 0.0f);
    }
  }
}

TEST_CASE("activations whose size changes from block to block keep each block's own precision") {
  SeededStream random(17);
  ThreadPool pool(2);
  for (DType dtype : kAllDTypes) {
    if (dtype == DType::kF32) continue;
    for (CpuPath path : PathsOfThisMachine()) {
      const int64_t cols = 2048;
      const Case c = MakeCase(random, dtype, 20, cols, pool);
      // Zero, tiny and huge stretches of 128 columns; the huge ones are each alone in their row.
      for (int64_t huge = 0; huge < cols / 128; huge += 3) {
        std::vector<float> x = RandomFloats(random, cols);
        for (int64_t col = 0; col < cols; ++col) {
          const int64_t part = col / 128;
          x[col] *= part == huge ? 1.0f : part % 2 == 0 ? 0.0f : 1e-30f;
        }
        CAPTURE(Name(dtype), Name(path), huge);
        CheckAgainstReference(c, x, Multiply(c, x, 1, pool, path), 1);
        // The same without the huge stretch, made large by a factor that is exact.
        std::vector<float> small = x, large = x;
        for (int64_t col = 0; col < cols; ++col) {
          if (col / 128 == huge) small[col] = large[col] = 0;
          small[col] *= 0x1p60f;
          large[col] *= 0x1p100f;
        }
        const std::vector<float> y_small = Multiply(c, small, 1, pool, path);
        const std::vector<float> y_large = Multiply(c, large, 1, pool, path);
        for (size_t row = 0; row < y_small.size(); ++row) {
          REQUIRE(y_large[row] == y_small[row] * 0x1p40f);
        }
      }
    }
  }
}

TEST_CASE("filling in parts of a row or whole rows gives the same bits") {
  SeededStream random(29);
  ThreadPool one(1), four(4);
  for (DType dtype : kAllDTypes) {
    for (CpuPath path : PathsOfThisMachine()) {
      const int64_t cols = 1536 + BlockLength(dtype), n = 31;
      CAPTURE(Name(dtype), Name(path));
      const Case c = MakeCase(random, dtype, 18, cols, one);
      const std::vector<float> x = RandomFloats(random, n * cols);
      // One thread fills three groups whole, four threads fill them in parts.
      REQUIRE(Multiply(c, x, n, one, path) == Multiply(c, x, n, four, path));
    }
  }
}

TEST_CASE("AVX-VNNI gives the bits of AVX2") {
  if (!Supports(CpuPath::kAvxVnni)) return;
  SeededStream random(31);
  ThreadPool pool(2);
  for (DType dtype : kAllDTypes) {
    for (int64_t n : {1, 7, 12, 40}) {
      CAPTURE(Name(dtype), n);
      const int64_t cols = 512 + BlockLength(dtype);
      const Case c = MakeCase(random, dtype, 50, cols, pool);
      const std::vector<float> x = RandomFloats(random, n * cols);
      REQUIRE(Multiply(c, x, n, pool, CpuPath::kAvxVnni) ==
              Multiply(c, x, n, pool, CpuPath::kAvx2));
    }
  }
}

TEST_CASE("packing tells of each part of the source once, in order") {
  ThreadPool pool(2);
  const int64_t rows = 2050, cols = 8192;  // F32: 67 MB, so more than one part
  const std::vector<std::byte> bytes(static_cast<size_t>(rows * cols * 4));
  const std::byte* next = bytes.data();
  int parts = 0;
  const auto packed = [&](std::span<const std::byte> part) {
    REQUIRE(part.data() == next);
    REQUIRE(Bytes(static_cast<int64_t>(part.size())) <= PackedMatrix::kPackPart);
    next += part.size();
    ++parts;
  };
  REQUIRE(PackedMatrix::Pack(DType::kF32, rows, cols, bytes, pool, packed).ok());
  REQUIRE(next == bytes.data() + bytes.size());
  REQUIRE(parts == 3);
}

TEST_CASE("a tensor whose size does not fit its shape is refused, naming both") {
  ThreadPool pool(1);
  const std::vector<std::byte> bytes(34);
  REQUIRE(PackedMatrix::Pack(DType::kQ8_0, 1, 32, bytes, pool).ok());
  const auto short_of = PackedMatrix::Pack(DType::kQ8_0, 2, 32, bytes, pool);
  REQUIRE(short_of.status().code() == absl::StatusCode::kInvalidArgument);
  REQUIRE(std::string(short_of.status().message()).find("68") != std::string::npos);
  REQUIRE_FALSE(PackedMatrix::Pack(DType::kQ8_0, 1, 33, bytes, pool).ok());
  REQUIRE_FALSE(PackedMatrix::Pack(DType::kQ8_0, 0, 32, {}, pool).ok());
}

TEST_CASE("packing costs at most 6 % more memory than the file, for whole panels") {
  for (DType dtype : kAllDTypes) {
    const double file = BytesFor(dtype, 2048 * 2048).as_double();
    REQUIRE(PackedMatrix::PackedBytes(dtype, 2048, 2048).as_double() <= file * 1.06);
  }
}

}  // namespace
}  // namespace waferline::kernels
