// Prints a hash of what the portable CPU path computes from fixed pseudo-random numbers: every
// weight type dequantised, and all but F32 multiplied. The same on every architecture, as that is
// plain C++ whose roundings the standard fixes (nothing is contracted or reassociated). Products of
// F32 are left out: they use the baseline's multiply-add, which aarch64 fuses.
#include <bit>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

#include "wafer_backend/base/check.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/compute/kernels/dequantize.h"
#include "wafer_backend/compute/kernels/half.h"
#include "wafer_backend/compute/kernels/matrix.h"
#include "wafer_backend/compute/kernels/quant_traits.h"

namespace waferline::kernels {
namespace {

// Any bits are a valid quantised block as long as its f16 units are finite; floats are small.
std::vector<std::byte> RandomTensor(SeededStream& random, const QuantTraits& type, int64_t count) {
  const int64_t blocks = count / type.block_length;
  std::vector<std::byte> bytes(static_cast<size_t>(blocks * type.block_bytes));
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.Next());
  for (int64_t block = 0; block < blocks; ++block) {
    const auto value = static_cast<float>(random.Uniform() - 0.5);
    std::byte* at = bytes.data() + block * type.block_bytes + type.unit_at;
    const F16 half = F16FromFloat(value);
    const BF16 bf16 = Bf16FromFloat(value);
    if (type.dtype == DType::kF32) {
      std::memcpy(at, &value, 4);
    } else if (type.unit == UnitForm::kE8M0) {
      *at = static_cast<std::byte>(118 + block % 5);
    } else {
      std::memcpy(at, type.dtype == DType::kBF16 ? &bf16 : &half, 2);
    }
    if (type.minima) std::memcpy(at + 2, &half, 2);
  }
  return bytes;
}

void Mix(const std::vector<float>& values, uint64_t* hash) {
  for (const float value : values) {
    *hash = (*hash ^ std::bit_cast<uint32_t>(value)) * 1099511628211u;
  }
}

uint64_t HashOf(const QuantTraits& type, ThreadPool& pool) {
  constexpr int64_t kRows = 40, kCols = 512;
  uint64_t hash = 14695981039346656037u;
  SeededStream random(static_cast<uint64_t>(type.dtype) + 1);
  const std::vector<std::byte> source = RandomTensor(random, type, kRows * kCols);
  std::vector<float> plain(kRows * kCols);
  Dequantize(type.dtype, source.data(), kRows * kCols, plain.data());
  Mix(plain, &hash);
  if (type.dtype == DType::kF32) return hash;
  const auto matrix = PackedMatrix::Pack(type.dtype, kRows, kCols, source, pool);
  WL_CHECK(matrix.ok());
  Scratch scratch;
  for (const int64_t n : {1, 13, 40}) {  // with and without unpacked panels
    std::vector<float> x(static_cast<size_t>(n * kCols));
    for (float& value : x) value = static_cast<float>(random.Uniform() - 0.5);
    std::vector<float> y(static_cast<size_t>(n * kRows));
    MatMul(*matrix, x.data(), y.data(), n, pool, scratch, CpuPath::kPortable);
    Mix(y, &hash);
  }
  return hash;
}

}  // namespace
}  // namespace waferline::kernels

int main() {
  waferline::kernels::ThreadPool pool(1);
  for (const auto& type : waferline::kernels::kQuantTraits) {
    std::printf("%.*s %016llx\n", static_cast<int>(type.name.size()), type.name.data(),
                static_cast<unsigned long long>(waferline::kernels::HashOf(type, pool)));
  }
}
