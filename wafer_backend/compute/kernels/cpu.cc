#include "wafer_backend/compute/kernels/cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "wafer_backend/base/strings.h"

namespace waferline::kernels {
namespace {

CpuPath& Chosen() {
  static CpuPath path = [] {
    CpuPath best = CpuPath::kPortable;
    for (const CpuPath each : kCpuPaths) {
      if (each != CpuPath::kAvx512Bf16 && Supports(each)) best = each;
    }
    return best;
  }();
  return path;
}

}  // namespace

#if defined(__x86_64__) && !defined(WAFERLINE_ONE_CPU_PATH)
// clang 14 does not know these features by name. Intel SDM 2A, CPUID leaf 1: ECX bit 29; leaf 7,
// subleaf 1: EAX bit 4.
static bool HasF16c() {
  unsigned eax, ebx, ecx, edx;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx >> 29 & 1) != 0;
}
static bool HasAvxVnni() {
  unsigned eax, ebx, ecx, edx;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax >> 4 & 1) != 0;
}
#endif

bool Supports(CpuPath path) {
#if defined(__x86_64__) && !defined(WAFERLINE_ONE_CPU_PATH)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && HasF16c();
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd") &&
                      __builtin_cpu_supports("avx512vnni");
  switch (path) {
    case CpuPath::kPortable:
      return true;
    case CpuPath::kAvx2:
      return avx2;
    case CpuPath::kAvxVnni:
      return avx2 && HasAvxVnni();
    case CpuPath::kAvx512:
      return avx512;
    case CpuPath::kAvx512Bf16:
      return avx512 && __builtin_cpu_supports("avx512bf16");
  }
#endif
  return path == CpuPath::kPortable;
}

CpuPath BestPath() { return Chosen(); }

absl::Status ChoosePath(std::string_view name) {
  for (const CpuPath path : kCpuPaths) {
    if (name != Name(path)) continue;
    if (!Supports(path)) {
      return absl::InvalidArgumentError(
          absl::StrCat("this machine cannot run CPU path ", Absl(name)));
    }
    Chosen() = path;
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("CPU path \"", Absl(name), "\" is not one of ",
                                                 absl::StrJoin(CpuPathNames(), ", ")));
}

std::string_view Name(CpuPath path) {
  switch (path) {
    case CpuPath::kPortable:
      return "portable";
    case CpuPath::kAvx2:
      return "avx2";
    case CpuPath::kAvxVnni:
      return "avx-vnni";
    case CpuPath::kAvx512:
      return "avx512";
    case CpuPath::kAvx512Bf16:
      return "avx512-bf16";
  }
  return "";
}

std::vector<std::string> CpuPathNames() {
  std::vector<std::string> names;
  for (const CpuPath path : kCpuPaths) names.emplace_back(Name(path));
  return names;
}

}  // namespace waferline::kernels
