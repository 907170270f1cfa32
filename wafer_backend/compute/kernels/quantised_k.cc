// Products of the K-quants of four to six bits, types with super-blocks of 256
// (quantised_matmul-inl.h), on every CPU path.
#include "wafer_backend/compute/kernels/products.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "wafer_backend/compute/kernels/quantised_k.cc"
#include "wafer_backend/compute/kernels/highway_paths.h"
// clang-format off
#include "hwy/foreach_target.h"
// clang-format on
#include "wafer_backend/compute/kernels/quantised_matmul-inl.h"

HWY_BEFORE_NAMESPACE();
namespace waferline::kernels {
namespace HWY_NAMESPACE {

void MultiplyQ4_K(const ProductTask& task, CpuPath path) { MultiplyTask<DType::kQ4_K>(task, path); }
void MultiplyQ5_K(const ProductTask& task, CpuPath path) { MultiplyTask<DType::kQ5_K>(task, path); }
void MultiplyQ6_K(const ProductTask& task, CpuPath path) { MultiplyTask<DType::kQ6_K>(task, path); }

}  // namespace HWY_NAMESPACE
}  // namespace waferline::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace waferline::kernels {

void MultiplyQ4_K(const ProductTask& task, CpuPath path) {
  WL_FOR_PATH(path, MultiplyQ4_K)(task, path);
}
void MultiplyQ5_K(const ProductTask& task, CpuPath path) {
  WL_FOR_PATH(path, MultiplyQ5_K)(task, path);
}
void MultiplyQ6_K(const ProductTask& task, CpuPath path) {
  WL_FOR_PATH(path, MultiplyQ6_K)(task, path);
}

}  // namespace waferline::kernels
#endif  // HWY_ONCE
