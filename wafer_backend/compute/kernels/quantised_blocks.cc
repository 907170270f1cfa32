// Products of the types with blocks of 32 columns (quantised_matmul-inl.h), on every CPU path:
// those with a unit alone. Several sources, this and other quantised_*.cc, so that cores share
// their compiling.
#include "wafer_backend/compute/kernels/products.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "wafer_backend/compute/kernels/quantised_blocks.cc"
#include "wafer_backend/compute/kernels/highway_paths.h"
// clang-format off
#include "hwy/foreach_target.h"
// clang-format on
#include "wafer_backend/compute/kernels/quantised_matmul-inl.h"

HWY_BEFORE_NAMESPACE();
namespace waferline::kernels {
namespace HWY_NAMESPACE {

void MultiplyQ8_0(const ProductTask& task, CpuPath path) { MultiplyTask<DType::kQ8_0>(task, path); }
void MultiplyQ4_0(const ProductTask& task, CpuPath path) { MultiplyTask<DType::kQ4_0>(task, path); }

}  // namespace HWY_NAMESPACE
}  // namespace waferline::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace waferline::kernels {

void MultiplyQ8_0(const ProductTask& task, CpuPath path) {
  WL_FOR_PATH(path, MultiplyQ8_0)(task, path);
}
void MultiplyQ4_0(const ProductTask& task, CpuPath path) {
  WL_FOR_PATH(path, MultiplyQ4_0)(task, path);
}

}  // namespace waferline::kernels
#endif  // HWY_ONCE
