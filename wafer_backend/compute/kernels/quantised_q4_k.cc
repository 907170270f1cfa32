// Products of Q4_K weights on every CPU path (quantised_matmul-inl.h).
#include "wafer_backend/compute/kernels/products.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "wafer_backend/compute/kernels/quantised_q4_k.cc"
#include "wafer_backend/compute/kernels/highway_paths.h"
// clang-format off
#include "hwy/foreach_target.h"
// clang-format on
#include "wafer_backend/compute/kernels/quantised_matmul-inl.h"

HWY_BEFORE_NAMESPACE();
namespace waferline::kernels {
namespace HWY_NAMESPACE {

void MultiplyQ4_K(const ProductTask& task) { MultiplyTask<DType::kQ4_K>(task); }

}  // namespace HWY_NAMESPACE
}  // namespace waferline::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace waferline::kernels {

void MultiplyQ4_K(const ProductTask& task, CpuPath path) { WL_FOR_PATH(path, MultiplyQ4_K)(task); }

}  // namespace waferline::kernels
#endif  // HWY_ONCE
