#include "wafer_backend/compute/kernels/products.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "wafer_backend/compute/kernels/bf16_matmul.cc"
#include "wafer_backend/compute/kernels/highway_paths.h"
// clang-format off
#include "hwy/foreach_target.h"
// clang-format on
#include <algorithm>
#include <utility>

#include "hwy/highway.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/compute/kernels/sixteen-inl.h"

HWY_BEFORE_NAMESPACE();
namespace waferline::kernels {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_AVX3

inline constexpr int kPanelsAtOnce = 2;  // 2 x 12 sums fill 24 of 32 registers

struct Bf16Pass {
  const std::byte* values[kPanelsAtOnce];
  float* y[kPanelsAtOnce];
  int64_t rows[kPanelsAtOnce];  // of the panel that exist
  int64_t pairs;                // of columns
  const uint16_t* x;            // [pairs][stride][2]
  int64_t stride;
  int64_t y_stride;
};

template <int kColumns>
HWY_NOINLINE void MultiplyBf16Tile(const Bf16Pass& pass_in) {
  const Bf16Pass pass = pass_in;
  __m512 sum[kPanelsAtOnce][kColumns];
#pragma GCC unroll 12
  for (int j = 0; j < kColumns; ++j) sum[0][j] = sum[1][j] = _mm512_setzero_ps();
  for (int64_t pair = 0; pair < pass.pairs; ++pair) {
    const __m512i w0 = _mm512_load_si512(pass.values[0] + pair * 64);
    const __m512i w1 = _mm512_load_si512(pass.values[1] + pair * 64);
    const auto* x = reinterpret_cast<const int32_t*>(pass.x) + pair * pass.stride;
#pragma GCC unroll 12
    for (int j = 0; j < kColumns; ++j) {
      const __m512i xs = _mm512_set1_epi32(x[j]);
      sum[0][j] = DotPair(sum[0][j], w0, xs);
      sum[1][j] = DotPair(sum[1][j], w1, xs);
    }
  }
  for (int p = 0; p < kPanelsAtOnce; ++p) {
    const auto mask = static_cast<__mmask16>((1u << pass.rows[p]) - 1);
#pragma GCC unroll 12
    for (int j = 0; j < kColumns; ++j) {
      _mm512_mask_storeu_ps(pass.y[p] + j * pass.y_stride, mask, sum[p][j]);
    }
  }
}

template <int... kColumns>
HWY_INLINE void MultiplyBf16TileOf(int64_t columns, const Bf16Pass& pass,
                                   std::integer_sequence<int, kColumns...>) {
  ((columns == kColumns + 1 ? MultiplyBf16Tile<kColumns + 1>(pass) : void()), ...);
}

void MultiplyBf16(const ProductTask& task) {
  const PackedMatrix& m = *task.product->weights;
  for (int64_t first = task.first_panel; first < task.end_panel; first += kPanelsAtOnce) {
    int64_t row = 0;
    for (const ColumnGroup& group : task.groups) {
      Bf16Pass pass;
      for (int p = 0; p < kPanelsAtOnce; ++p) {
        // Beyond the task's last panel the last one is computed again and not stored.
        const int64_t panel = std::min(first + p, task.end_panel - 1);
        pass.values[p] = m.panel(panel);
        pass.y[p] = task.product->y + row * m.rows() + panel * kPanelRows;
        pass.rows[p] = panel == first + p ? std::min(kPanelRows, m.rows() - panel * kPanelRows) : 0;
      }
      pass.pairs = (m.cols() + 1) / 2;
      pass.x = group.bf16;
      pass.stride = group.count;
      pass.y_stride = m.rows();
      MultiplyBf16TileOf(group.count, pass, std::make_integer_sequence<int, kMaxColumns>());
      row += group.count;
    }
  }
}

#else

void MultiplyBf16(const ProductTask&) { WL_CHECK(false); }

#endif

}  // namespace HWY_NAMESPACE
}  // namespace waferline::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace waferline::kernels {

void MultiplyBf16(const ProductTask& task) { WL_FOR_PATH(CpuPath::kAvx512, MultiplyBf16)(task); }

}  // namespace waferline::kernels
#endif  // HWY_ONCE
