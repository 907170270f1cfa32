// What the tests of the kernels share: random tensors as GGUF files hold them, seeds that are
// printed with a failure, the CPU paths that this machine has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/compute/kernels/cpu.h"
#include "wafer_backend/compute/kernels/dtype.h"
#include "wafer_backend/compute/kernels/half.h"
#include "wafer_backend/compute/kernels/quant_traits.h"

namespace waferline::kernels {

inline const std::vector<DType> kAllDTypes = [] {
  std::vector<DType> all;
  for (const QuantTraits& type : kQuantTraits) all.push_back(type.dtype);
  return all;
}();

inline std::vector<CpuPath> PathsOfThisMachine() {
  std::vector<CpuPath> paths;
  for (const CpuPath path : kCpuPaths) {
    if (path != CpuPath::kAvx512Bf16 && Supports(path)) paths.push_back(path);
  }
  return paths;
}

// Roughly normal with deviation 1: a sum of four uniform numbers.
inline float RandomNormal(SeededStream& random) {
  double sum = 0;
  for (int i = 0; i < 4; ++i) sum += random.Uniform() - 0.5;
  return static_cast<float>(sum * 1.7320508);
}

inline std::vector<float> RandomFloats(SeededStream& random, int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = RandomNormal(random);
  return values;
}

inline int64_t RandomBetween(SeededStream& random, int64_t min, int64_t max) {
  return min + static_cast<int64_t>(random.Next() % static_cast<uint64_t>(max - min + 1));
}

// Any bits are a valid quantised block as long as its f16 units are finite; floats are normal.
inline std::vector<std::byte> RandomTensor(SeededStream& random, DType dtype, int64_t count) {
  std::vector<std::byte> bytes(static_cast<size_t>(BytesFor(dtype, count).count()));
  const auto put16 = [&](size_t at, uint16_t bits) { std::memcpy(&bytes[at], &bits, 2); };
  if (dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16) {
    for (int64_t i = 0; i < count; ++i) {
      const float value = RandomNormal(random);
      const auto at = static_cast<size_t>(i);
      if (dtype == DType::kF32) std::memcpy(&bytes[at * 4], &value, 4);
      if (dtype == DType::kF16) put16(at * 2, F16FromFloat(value));
      if (dtype == DType::kBF16) put16(at * 2, Bf16FromFloat(value));
    }
    return bytes;
  }
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.Next());
  const QuantTraits& type = TraitsOf(dtype);
  for (size_t at = 0; at < bytes.size(); at += static_cast<size_t>(type.block_bytes)) {
    if (type.unit == UnitForm::kE8M0) {
      bytes[at + type.unit_at] = static_cast<std::byte>(118 + random.Next() % 5);
      continue;
    }
    put16(at + type.unit_at, F16FromFloat(RandomNormal(random) * 0.01f));
    if (type.minima) put16(at + type.unit_at + 2, F16FromFloat(RandomNormal(random) * 0.01f));
  }
  return bytes;
}

}  // namespace waferline::kernels
