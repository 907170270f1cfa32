// Products of the types with code books, on every CPU path (quantised_matmul-inl.h).
#include "wafer_backend/compute/kernels/products.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "wafer_backend/compute/kernels/quantised_codes.cc"
#include "wafer_backend/compute/kernels/highway_paths.h"
// clang-format off
#include "hwy/foreach_target.h"
// clang-format on
#include "wafer_backend/compute/kernels/quantised_matmul-inl.h"

HWY_BEFORE_NAMESPACE();
namespace waferline::kernels {
namespace HWY_NAMESPACE {

void MultiplyIQ4_NL(const ProductTask& task, CpuPath path) {
  MultiplyTask<DType::kIQ4_NL>(task, path);
}
void MultiplyIQ4_XS(const ProductTask& task, CpuPath path) {
  MultiplyTask<DType::kIQ4_XS>(task, path);
}
void MultiplyMXFP4(const ProductTask& task, CpuPath path) {
  MultiplyTask<DType::kMXFP4>(task, path);
}

}  // namespace HWY_NAMESPACE
}  // namespace waferline::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace waferline::kernels {

void MultiplyIQ4_NL(const ProductTask& task, CpuPath path) {
  WL_FOR_PATH(path, MultiplyIQ4_NL)(task, path);
}
void MultiplyIQ4_XS(const ProductTask& task, CpuPath path) {
  WL_FOR_PATH(path, MultiplyIQ4_XS)(task, path);
}
void MultiplyMXFP4(const ProductTask& task, CpuPath path) {
  WL_FOR_PATH(path, MultiplyMXFP4)(task, path);
}

}  // namespace waferline::kernels
#endif  // HWY_ONCE
