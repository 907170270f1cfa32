// --cpu of the commands that compute with a model file: an older machine's instructions instead of
// the best that this one has. Caller's thread, before anything is computed.
#pragma once

#include "absl/status/status.h"
#include "client/cli/frame/arguments.h"
#include "wafer_backend/compute/kernels/cpu.h"

namespace waferline::cli {

inline Flag CpuFlag() {
  return TextFlag("cpu", "PATH", "portable, avx2 or avx512; the best of this machine if absent");
}

// A usage error for a path that is none, or that this machine cannot run.
inline absl::Status ObeyCpuFlag(const Arguments& arguments) {
  if (!arguments.Has("cpu")) return absl::OkStatus();
  const absl::Status status = kernels::ChoosePath(arguments.Text("cpu"));
  return status.ok() ? status : UsageError("--cpu: " + std::string(status.message()));
}

}  // namespace waferline::cli
