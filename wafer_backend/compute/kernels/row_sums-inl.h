// Sums of rows of integers (Int8Rows), which types with an offset or minima need. Inner part of
// activations.cc; compiled once for each Highway target. All give the same bits: the sums are
// exact.
#if defined(WAFERLINE_ROW_SUMS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef WAFERLINE_ROW_SUMS_INL_H
#undef WAFERLINE_ROW_SUMS_INL_H
#else
#define WAFERLINE_ROW_SUMS_INL_H
#endif

#include <array>
#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"
#include "wafer_backend/compute/kernels/activations.h"
#include "wafer_backend/compute/kernels/quant_traits.h"
#include "wafer_backend/compute/kernels/sixteen-inl.h"

HWY_BEFORE_NAMESPACE();
namespace waferline::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using RowSums = std::array<int32_t, 16>;  // of `count` rows

// The sum of each row's q over four quads, from `q` on.
HWY_INLINE RowSums SumFourQuads(const int8_t* q, size_t count) {
  const hn::CappedTag<uint32_t, 16> d;
  const hn::RebindToSigned<decltype(d)> di;
  RowSums sums;
  for (size_t j = 0; j < count; j += hn::Lanes(d)) {
    const auto rows = hn::FirstN(d, count - j);
    const auto load = [&](size_t quad) HWY_ATTR {
      return hn::MaskedLoad(rows, d, reinterpret_cast<const uint32_t*>(q + (quad * count + j) * 4));
    };
#if HWY_TARGET == HWY_AVX3
    const U8x64 ones = {_mm512_set1_epi8(1)};
    I32x16 sum = {_mm512_setzero_si512()};
    for (size_t quad = 0; quad < 4; ++quad) sum = DotQuad(sum, ones, U8x64{load(quad).raw});
    Store(sum, sums.data());
#else
    // Of q + 128, two sums of 16 bits in a lane.
    const auto even = hn::Set(d, 0x00FF00FFu);
    auto pairs = hn::Zero(d);
    for (size_t quad = 0; quad < 4; ++quad) {
      const auto bytes = hn::Xor(load(quad), hn::Set(d, 0x80808080u));
      pairs = hn::Add(pairs, hn::And(bytes, even));
      pairs = hn::Add(pairs, hn::And(hn::ShiftRight<8>(bytes), even));
    }
    const auto all = hn::Add(hn::And(pairs, hn::Set(d, 0xFFFFu)), hn::ShiftRight<16>(pairs));
    hn::StoreU(hn::Sub(hn::BitCast(di, all), hn::Set(di, 16 * 128)), di, sums.data() + j);
#endif
  }
  return sums;
}

// What a group wants to know of the sums of one form.
struct WantedSums {
  struct Start {  // of a type that the group is multiplied by (activations.h)
    int32_t* out;
    int32_t offset;
    bool halves;  // its parts have 16 columns, not 32
  };
  std::array<Start, kQuantTraits.size()> starts;
  size_t count = 0;
  float* sums;  // as in Int8Rows
  float* half_sums;

  bool none() const { return count == 0 && sums == nullptr && half_sums == nullptr; }

  WantedSums(const ColumnGroup& group, Int8Form form)
      : sums(group.int8[static_cast<size_t>(form)].sums),
        half_sums(group.int8[static_cast<size_t>(form)].half_sums) {
    for (size_t row = 0; row < kQuantTraits.size(); ++row) {
      const QuantTraits& type = kQuantTraits[row];
      if (group.start[row] == nullptr || type.activations != form) continue;
      starts[count++] = {group.start[row], type.offset, type.part_length == 16};
    }
  }
};

HWY_INLINE void FillSums(const int8_t* q, int64_t block, size_t count, const WantedSums& wanted) {
  const RowSums first = SumFourQuads(q, count);
  const RowSums second = SumFourQuads(q + 16 * count, count);
  for (size_t i = 0; i < wanted.count; ++i) {
    const WantedSums::Start& start = wanted.starts[i];
    int32_t* out = start.out + static_cast<size_t>(block) * (start.halves ? 2 : 1) * count;
    for (size_t j = 0; j < count; ++j) {
      out[j] = -start.offset * (start.halves ? first[j] : first[j] + second[j]);
      if (start.halves) out[count + j] = -start.offset * second[j];
    }
  }
  for (size_t j = 0; wanted.sums != nullptr && j < count; ++j) {
    wanted.sums[static_cast<size_t>(block) * count + j] = static_cast<float>(first[j] + second[j]);
  }
  for (size_t j = 0; wanted.half_sums != nullptr && j < count; ++j) {
    float* const out = wanted.half_sums + static_cast<size_t>(block) * 2 * count;
    out[j] = static_cast<float>(first[j]);
    out[count + j] = static_cast<float>(second[j]);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace waferline::kernels
HWY_AFTER_NAMESPACE();

#endif  // include guard
