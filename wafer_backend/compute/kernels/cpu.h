// Which instruction set the kernels use. One process computes with one path: paths differ in the
// last bits of a float, every path gives the same bits for the same row whatever runs beside it
// (law 4). Plain values, any thread.
#pragma once

#include <string_view>

namespace waferline::kernels {

enum class CpuPath {
  kPortable,  // any CPU
  kAvx2,      // AVX2, FMA, F16C
  kAvx512,    // AVX-512 F, BW, DQ, VL, VNNI, BF16 (Zen 4, Sapphire Rapids and later)
};

// The fastest path of this machine; constant for the life of the process.
CpuPath BestPath();

// Whether this machine can run `path`.
bool Supports(CpuPath path);

std::string_view Name(CpuPath path);

}  // namespace waferline::kernels
