// Which instruction set the kernels use. One process computes with one path: paths differ in the
// last bits of a float, every path gives the same bits for the same row whatever else is computed
// with it (law 4). Plain values, any thread.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace waferline::kernels {

enum class CpuPath {
  kPortable,  // any CPU
  kAvx2,      // AVX2, FMA, F16C
  kAvxVnni,   // the same with AVX-VNNI (Alder Lake and later); the bits of kAvx2
  kAvx512,    // AVX-512 F, BW, DQ, VL, CD, VNNI (Cascade Lake, Ice Lake, Zen 4 and later)
  // The same with AVX-512 BF16 (Cooper Lake, Zen 4, Sapphire Rapids), which attention's products
  // round to (attention.h): long prompts are faster, scores and weights have 8 bits instead of 24.
  // Only if chosen.
  kAvx512Bf16,
};

// Slowest first.
inline constexpr std::array kCpuPaths = {CpuPath::kPortable, CpuPath::kAvx2, CpuPath::kAvxVnni,
                                         CpuPath::kAvx512, CpuPath::kAvx512Bf16};

constexpr bool UsesAvx512(CpuPath path) {
  return path == CpuPath::kAvx512 || path == CpuPath::kAvx512Bf16;
}

// The fastest path of this machine, or the chosen one; constant once anything was computed.
CpuPath BestPath();

// From now on BestPath is this one: for unlike machines that compute one model together, whose bits
// must be the same, and for comparing paths. At the start of a process, before other threads.
// InvalidArgument for a name that is none or a path that this machine cannot run.
absl::Status ChoosePath(std::string_view name);

// Whether this machine can run `path`.
bool Supports(CpuPath path);

std::string_view Name(CpuPath path);
std::vector<std::string> CpuPathNames();

}  // namespace waferline::kernels
