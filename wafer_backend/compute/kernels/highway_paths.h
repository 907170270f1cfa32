// One source, three CPU paths: a kernel's .cc is compiled by Highway's foreach_target.h for AVX-512
// (HWY_AVX3; what it adds in VNNI and BF16 instructions is checked by Supports), AVX2 and the
// portable baseline, and WL_FOR_PATH picks one of them by an argument instead of Highway's
// process-wide choice, so that tests reach each. Integer products have AVX-VNNI's instructions as a
// second form within AVX2 (kVnni).
//
// Include before any header of Highway.
#pragma once

#if defined(WAFERLINE_ONE_CPU_PATH) || !defined(__x86_64__)
#define HWY_COMPILE_ONLY_STATIC
#endif
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4)

#include "wafer_backend/compute/kernels/cpu.h"

namespace waferline::kernels {

template <typename Function>
Function PickPath(CpuPath path, Function portable, Function avx2, Function avx512) {
  return UsesAvx512(path) ? avx512 : path == CpuPath::kPortable ? portable : avx2;
}

}  // namespace waferline::kernels

// Inside HWY_ONCE: the function `name` of HWY_NAMESPACE for `path`. A build with another baseline
// than plain x86-64 (another architecture, or -march=native), or with WAFERLINE_ONE_CPU_PATH, has
// one path: the portable one, compiled for the baseline.
#if defined(__x86_64__) && !defined(__SSSE3__) && !defined(WAFERLINE_ONE_CPU_PATH)
#define WL_FOR_PATH(path, name) \
  ::waferline::kernels::PickPath(path, &HWY_STATIC_DISPATCH(name), &N_AVX2::name, &N_AVX3::name)
#else
#define WL_FOR_PATH(path, name) (&HWY_STATIC_DISPATCH(name))
#endif
