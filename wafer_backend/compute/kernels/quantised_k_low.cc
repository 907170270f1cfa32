// Products of the K-quants of two and three bits, on every CPU path (quantised_matmul-inl.h).
#include "wafer_backend/compute/kernels/products.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "wafer_backend/compute/kernels/quantised_k_low.cc"
#include "wafer_backend/compute/kernels/highway_paths.h"
// clang-format off
#include "hwy/foreach_target.h"
// clang-format on
#include "wafer_backend/compute/kernels/quantised_matmul-inl.h"

HWY_BEFORE_NAMESPACE();
namespace waferline::kernels {
namespace HWY_NAMESPACE {

void MultiplyQ2_K(const ProductTask& task, CpuPath path) { MultiplyTask<DType::kQ2_K>(task, path); }
void MultiplyQ3_K(const ProductTask& task, CpuPath path) { MultiplyTask<DType::kQ3_K>(task, path); }

}  // namespace HWY_NAMESPACE
}  // namespace waferline::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace waferline::kernels {

void MultiplyQ2_K(const ProductTask& task, CpuPath path) {
  WL_FOR_PATH(path, MultiplyQ2_K)(task, path);
}
void MultiplyQ3_K(const ProductTask& task, CpuPath path) {
  WL_FOR_PATH(path, MultiplyQ3_K)(task, path);
}

}  // namespace waferline::kernels
#endif  // HWY_ONCE
