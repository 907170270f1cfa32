// Products of the types with blocks of 32 columns and minima or fifth bits, on every CPU path
// (quantised_matmul-inl.h).
#include "wafer_backend/compute/kernels/products.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "wafer_backend/compute/kernels/quantised_blocks_5.cc"
#include "wafer_backend/compute/kernels/highway_paths.h"
// clang-format off
#include "hwy/foreach_target.h"
// clang-format on
#include "wafer_backend/compute/kernels/quantised_matmul-inl.h"

HWY_BEFORE_NAMESPACE();
namespace waferline::kernels {
namespace HWY_NAMESPACE {

void MultiplyQ4_1(const ProductTask& task, CpuPath path) { MultiplyTask<DType::kQ4_1>(task, path); }
void MultiplyQ5_0(const ProductTask& task, CpuPath path) { MultiplyTask<DType::kQ5_0>(task, path); }
void MultiplyQ5_1(const ProductTask& task, CpuPath path) { MultiplyTask<DType::kQ5_1>(task, path); }

}  // namespace HWY_NAMESPACE
}  // namespace waferline::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace waferline::kernels {

void MultiplyQ4_1(const ProductTask& task, CpuPath path) {
  WL_FOR_PATH(path, MultiplyQ4_1)(task, path);
}
void MultiplyQ5_0(const ProductTask& task, CpuPath path) {
  WL_FOR_PATH(path, MultiplyQ5_0)(task, path);
}
void MultiplyQ5_1(const ProductTask& task, CpuPath path) {
  WL_FOR_PATH(path, MultiplyQ5_1)(task, path);
}

}  // namespace waferline::kernels
#endif  // HWY_ONCE
