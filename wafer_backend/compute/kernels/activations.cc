#include "wafer_backend/compute/kernels/activations.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "wafer_backend/compute/kernels/activations.cc"
#include "wafer_backend/compute/kernels/highway_paths.h"
// clang-format off
#include "hwy/foreach_target.h"
// clang-format on
#include <algorithm>
#include <cstring>

#include "hwy/highway.h"
#include "wafer_backend/compute/kernels/int16_form.h"
#include "wafer_backend/compute/kernels/int16_rows-inl.h"
#include "wafer_backend/compute/kernels/interleave-inl.h"
#include "wafer_backend/compute/kernels/largest-inl.h"
#include "wafer_backend/compute/kernels/quant_traits.h"
#include "wafer_backend/compute/kernels/row_sums-inl.h"
#include "wafer_backend/compute/kernels/sixteen-inl.h"
#include "wafer_backend/compute/kernels/winograd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace waferline::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Each 32 (or 128) columns of a row have a scale of their own, by which the largest of them is the
// largest integer, but not below kSmallestScale. A sum is kept in units of the scale of the columns
// it has reached (quantised_tile-inl.h): where that changes from s to t, the sum so far is
// multiplied by s / t. That is finite, and so are the sums, below 2^67.
inline constexpr float kSmallestScale = 0x1p-60f;

using Floats = hn::CappedTag<float, 16>;

// out = `count` values (a multiple of 32) times `inverse`, rounded to nearest even, as adding what
// leaves a number no room for a fraction does.
HWY_INLINE void Round(const float* x, float inverse, int64_t count, int8_t* out) {
  const Floats d;
  const hn::RebindToSigned<Floats> di;
  const hn::Rebind<int8_t, Floats> d8;
  const auto factor = hn::Set(d, inverse);
  const auto no_fraction = hn::Set(d, 0x1.8p23f);
  for (int64_t i = 0; i < count; i += static_cast<int64_t>(hn::Lanes(d))) {
    const auto rounded = hn::Add(hn::Mul(hn::LoadU(d, x + i), factor), no_fraction);
    const auto integer = hn::Sub(hn::BitCast(di, rounded), hn::BitCast(di, no_fraction));
    hn::Store(hn::DemoteTo(d8, integer), d8, out + i);
  }
}

using RoundedRow = int8_t[kPartColumns];

template <Int8Form kForm>
void FillScaled(const float* x, int64_t cols, ColumnPart part, int64_t rows, const Int8Rows& out) {
  constexpr Int8Scale kScale = ScaleOf(kForm);
  const auto scale_of = [&](int64_t j, int64_t col) HWY_ATTR {
    const float largest = Largest<kForm>(x + j * cols + col, std::min(kScale.columns, cols - col));
    return std::max(largest / float{kScale.largest}, kSmallestScale);
  };
  float before[kMaxColumns] = {};  // a sum starts from 0, in whatever units
  for (int64_t j = 0; part.first > 0 && j < rows; ++j) {
    before[j] = scale_of(j, part.first - kScale.columns);
  }
  for (int64_t col = part.first; col < part.end; col += kScale.columns) {
    const int64_t count = std::min(kScale.columns, part.end - col);
    int8_t* const at = out.q + col * rows;
    HWY_ALIGN RoundedRow q[kMaxColumns];
    for (int64_t j = 0; j < rows; ++j) {
      const float scale = scale_of(j, col);
      out.ratio[col / kScale.columns * rows + j] = before[j] / scale;
      before[j] = scale;
      Round(x + j * cols + col, 1.0f / scale, count, rows == 1 ? at : q[j]);
    }
    if (rows > 1) Interleave(q[0], sizeof(q[0]), count, rows, at);
  }
  if (part.end == cols) std::copy_n(before, rows, out.last_scale);
}

#if HWY_TARGET == HWY_AVX2
// Int8Rows::wide of `count` values, a multiple of 32.
void FillWide(const int8_t* q, int64_t count, int16_t* wide) {
  const hn::CappedTag<uint32_t, 8> quads;
  const hn::RepartitionToNarrow<decltype(quads)> d;
  const hn::RebindToSigned<decltype(d)> di;
  for (int64_t i = 0; i < count; i += 4 * static_cast<int64_t>(hn::Lanes(quads))) {
    const auto quad = hn::LoadU(quads, reinterpret_cast<const uint32_t*>(q + i));
    const auto high = hn::BitCast(di, quad);
    const auto low = hn::ShiftLeft<8>(high);
    hn::StoreInterleaved2(hn::BitCast(quads, hn::ShiftRight<8>(low)),
                          hn::BitCast(quads, hn::ShiftRight<8>(high)), quads,
                          reinterpret_cast<uint32_t*>(wide + i));
  }
}
#endif

template <Int8Form kForm>
void FillInt8(const float* x, int64_t cols, ColumnPart part, const ColumnGroup& group) {
  const Int8Rows& rows = group.int8[static_cast<size_t>(kForm)];
  if (rows.q == nullptr) return;
  FillScaled<kForm>(x, cols, part, group.count, rows);
#if HWY_TARGET == HWY_AVX2
  const int64_t first = part.first * group.count;
  if (rows.wide != nullptr) {
    FillWide(rows.q + first, part.end * group.count - first, rows.wide + first);
  }
#endif
  const WantedSums wanted(group, kForm);
  for (int64_t block = part.first / 32; block < part.end / 32; ++block) {
    const int8_t* q = rows.q + block * 32 * group.count;
#if HWY_TARGET == HWY_AVX3
    if constexpr (ForWinograd(kForm)) {
      if (rows.start_winograd != nullptr) {
        int32_t* const start = rows.start_winograd + block * group.count;
        FillWinogradStart<WinogradOffset(kForm)>(q, group.count, start);
      }
    }
#endif
    if (!wanted.none()) FillSums(q, block, static_cast<size_t>(group.count), wanted);
  }
}

void FillGroup(const float* x, int64_t cols, ColumnPart part, const ColumnGroup& group) {
  const int64_t count = group.count;
  for (int64_t j = 0; j < count; ++j) {
    const float* row = x + j * cols;
    if (group.f32 != nullptr) {
      for (int64_t col = part.first; col < part.end; ++col) group.f32[col * count + j] = row[col];
    }
  }
  FillInt16(x, cols, part, group);
  FillInt8<Int8Form::kFine>(x, cols, part, group);
  FillInt8<Int8Form::kFineWinograd>(x, cols, part, group);
  FillInt8<Int8Form::kWinograd>(x, cols, part, group);
  FillInt8<Int8Form::kFineFours>(x, cols, part, group);
}

}  // namespace HWY_NAMESPACE
}  // namespace waferline::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace waferline::kernels {
namespace {

// Hands out consecutive 64-byte aligned arrays.
struct Arrays {
  std::byte* memory;
  int64_t used = 0;
  template <typename T>
  void Take(bool wanted, int64_t count, T** array) {
    if (!wanted) return;
    if (memory != nullptr) *array = reinterpret_cast<T*>(memory + used);
    used += (count * static_cast<int64_t>(sizeof(T)) + 63) / 64 * 64;
  }
};

}  // namespace

Bytes LayOutGroup(const ActivationForms& forms, int64_t cols, std::byte* memory,
                  ColumnGroup* group) {
  const int64_t count = group->count;
  const int64_t blocks = cols / kActivationBlock;
  Arrays arrays{memory};
  arrays.Take(forms.f32, cols * count, &group->f32);
  arrays.Take(forms.int16, Int16Blocks(cols) * kInt16Block * count, &group->int16.q);
  arrays.Take(forms.int16, (cols + kInt16ScaleColumns - 1) / kInt16ScaleColumns * count,
              &group->int16.scale);
  for (size_t form = 0; form < kInt8Forms; ++form) {
    const int64_t columns = ScaleOf(static_cast<Int8Form>(form)).columns;
    const ActivationForms::Int8& wanted = forms.int8[form];
    Int8Rows& rows = group->int8[form];
    arrays.Take(wanted.q, cols * count, &rows.q);
    arrays.Take(wanted.wide, cols * count, &rows.wide);
    arrays.Take(wanted.q, (cols + columns - 1) / columns * count, &rows.ratio);
    arrays.Take(wanted.q, count, &rows.last_scale);
    arrays.Take(wanted.start_winograd, blocks * count, &rows.start_winograd);
    arrays.Take(wanted.sums, blocks * count, &rows.sums);
    arrays.Take(wanted.half_sums, 2 * blocks * count, &rows.half_sums);
  }
  for (size_t row = 0; row < kQuantTraits.size(); ++row) {
    if (!forms.start[row]) continue;
    const int64_t parts = cols / kQuantTraits[row].part_length;
    arrays.Take(true, parts * count, &group->start[row]);
  }
  return Bytes(arrays.used);
}

Bytes GroupBytes(const ActivationForms& forms, int64_t cols) {
  ColumnGroup group{.count = kMaxColumns};
  return LayOutGroup(forms, cols, nullptr, &group);
}

void FillGroup(const float* x, int64_t cols, ColumnPart part, const ColumnGroup& group,
               CpuPath path) {
  WL_FOR_PATH(path, FillGroup)(x, cols, part, group);
}

}  // namespace waferline::kernels
#endif  // HWY_ONCE
