// Rows side by side as products read them: the next four bytes of each in turn. Inner part of
// activations.cc; compiled once for each Highway target.
#if defined(WAFERLINE_INTERLEAVE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef WAFERLINE_INTERLEAVE_INL_H
#undef WAFERLINE_INTERLEAVE_INL_H
#else
#define WAFERLINE_INTERLEAVE_INL_H
#endif

#include <cstdint>
#include <cstring>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace waferline::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// out [bytes / 4][rows][4] from `rows` rows of so many bytes, `pitch` apart; bytes is a multiple of
// 32.
HWY_INLINE void Interleave(const int8_t* q, int64_t pitch, int64_t bytes, int64_t rows,
                           int8_t* out) {
  int64_t j = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::FixedTag<uint32_t, 4> d;
  for (; j + 4 <= rows; j += 4) {
    for (int64_t i = 0; i < bytes; i += 16) {
      const auto quads = [&](int64_t row) HWY_ATTR {
        return hn::LoadU(d, reinterpret_cast<const uint32_t*>(q + (j + row) * pitch + i));
      };
      HWY_ALIGN uint32_t turned[16];
      hn::StoreInterleaved4(quads(0), quads(1), quads(2), quads(3), d, turned);
      for (int64_t k = 0; k < 4; ++k) {
        std::memcpy(out + ((i / 4 + k) * rows + j) * 4, turned + 4 * k, 16);
      }
    }
  }
#endif
  for (; j < rows; ++j) {
    for (int64_t i = 0; i < bytes; i += 4) {
      std::memcpy(out + (i * rows + j * 4), q + j * pitch + i, 4);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace waferline::kernels
HWY_AFTER_NAMESPACE();

#endif  // include guard
