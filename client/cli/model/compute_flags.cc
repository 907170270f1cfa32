#include "client/cli/model/compute_flags.h"

#include <algorithm>
#include <thread>

#include "wafer_backend/compute/kernels/cpu.h"

namespace waferline::cli {

Operand ModelFileOperand() {
  return {"FILE", "a GGUF file (of a split one any part), or a folder of safetensors"};
}

Flag ThreadsFlag() {
  return IntegerFlag("threads", "N", "threads that compute; one a core if not given", {1, 256});
}

Flag CpuFlag() {
  return ChoiceFlag("cpu", "NAME",
                    "instructions to use; the best of this machine if not given, but for "
                    "avx512-bf16, which rounds attention more",
                    kernels::CpuPathNames());
}

int ThreadsOf(const Arguments& arguments) {
  if (arguments.Has("threads")) return static_cast<int>(arguments.Integer("threads"));
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

absl::Status ApplyCpuFlag(const Arguments& arguments) {
  if (!arguments.Has("cpu")) return absl::OkStatus();
  const absl::Status status = kernels::ChoosePath(arguments.Text("cpu"));
  return status.ok() ? status : UsageError("--cpu: " + std::string(status.message()));
}

}  // namespace waferline::cli
