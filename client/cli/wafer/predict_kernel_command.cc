// waferctl wafer predict-kernel: cycles of one kernel.
#include <boost/json.hpp>
#include <cmath>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "client/cli/frame/arguments.h"
#include "client/cli/wafer/wafer_commands.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/silicon/hardware_file.h"
#include "wafer_backend/hardware/timing/kernels.h"
#include "wafer_backend/hardware/timing/profile_file.h"

namespace waferline::cli {
namespace {

// Sizes of the other kernels make no sense beside these.
absl::Status CheckFlags(const Arguments& arguments, const std::vector<std::string>& wanted) {
  for (const char* flag : {"m", "n", "size", "d", "ffn", "seq", "hidden", "tokens", "algorithm"}) {
    const bool mine = std::find(wanted.begin(), wanted.end(), flag) != wanted.end();
    if (mine && !arguments.Has(flag) && std::string(flag) != "algorithm") {
      return UsageError(
          absl::StrCat("--kernel ", arguments.Text("kernel"), " also needs --", flag));
    }
    if (!mine && arguments.Has(flag)) {
      return UsageError(
          absl::StrCat("--", flag, " says nothing about --kernel ", arguments.Text("kernel")));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<timing::KernelSize> SizeFrom(const Arguments& a) {
  const std::string& kernel = a.Text("kernel");
  const int64_t grid = a.Integer("grid");
  if (kernel == "gemv") {
    WL_RETURN_IF_ERROR(CheckFlags(a, {"m", "n", "algorithm"}));
    const std::string& algorithm = a.Text("algorithm");
    if (algorithm != "k_tree" && algorithm != "pipeline") {
      return UsageError("--algorithm must be k_tree or pipeline");
    }
    return timing::GemvSize{
        algorithm == "k_tree" ? timing::Allreduce::kTree : timing::Allreduce::kChain, grid,
        a.Integer("m"), a.Integer("n")};
  }
  if (kernel == "gemm") {
    WL_RETURN_IF_ERROR(CheckFlags(a, {"size"}));
    return timing::GemmSize{grid, a.Integer("size")};
  }
  if (kernel == "decode-layer") {
    WL_RETURN_IF_ERROR(CheckFlags(a, {"d", "ffn", "seq"}));
    return timing::DecodeLayerSize{grid, a.Integer("d"), a.Integer("ffn"), a.Integer("seq")};
  }
  if (kernel == "prefill-layer") {
    WL_RETURN_IF_ERROR(CheckFlags(a, {"hidden", "ffn", "tokens"}));
    return timing::PrefillLayerSize{grid, a.Integer("hidden"), a.Integer("ffn"),
                                    a.Integer("tokens")};
  }
  return UsageError("--kernel must be gemv, gemm, decode-layer or prefill-layer");
}

absl::Status PredictKernel(const Arguments& arguments) {
  if (!arguments.Has("kernel")) return UsageError("--kernel is needed: gemv, gemm, ...");
  if (!arguments.Has("grid")) return UsageError("--grid is needed: cores along one edge");
  WL_ASSIGN_OR_RETURN(const timing::KernelSize size, SizeFrom(arguments));
  WL_ASSIGN_OR_RETURN(const silicon::Hardware hardware,
                      silicon::LoadHardware(arguments.Text("hardware")));
  const silicon::WaferSpec* wafer = hardware.wafer();
  if (wafer == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("--hardware ", hardware.name, " is no wafer; kernels are predicted for one"));
  }
  WL_ASSIGN_OR_RETURN(const timing::Profile profile,
                      timing::LoadProfile(arguments.Text("profile")));
  WL_ASSIGN_OR_RETURN(const double cycles, timing::KernelCycles(*wafer, profile, size));
  const double microseconds = cycles / wafer->clock_hz.value * 1e6;
  if (arguments.json()) {
    const boost::json::object out = {{"kernel", arguments.Text("kernel")},
                                     {"hardware", hardware.name},
                                     {"profile", profile.name},
                                     {"cycles", std::round(cycles * 10) / 10},
                                     {"clock_hz", wafer->clock_hz.value},
                                     {"microseconds", microseconds},
                                     {"spread", profile.spread}};
    printf("%s\n", boost::json::serialize(out).c_str());
  } else {
    printf(
        "%s on %s, profile %s: %.1f cycles (one standard deviation %.1f %%), %.3f us at %.2f GHz\n",
        arguments.Text("kernel").c_str(), hardware.name.c_str(), profile.name.c_str(), cycles,
        100 * profile.spread, microseconds, wafer->clock_hz.value * 1e-9);
  }
  return absl::OkStatus();
}

Flag Size(const char* name, const char* summary) {
  return IntegerFlag(name, "N", summary, std::nullopt, 1, 1'000'000'000'000);
}

}  // namespace

Command PredictKernelCommand() {
  return Command{
      .words = "wafer predict-kernel",
      .summary = "Cycles of one kernel on a grid of cores",
      .flags = {TextFlag("kernel", "KERNEL", "gemv, gemm, decode-layer, prefill-layer"),
                HardwareFlag(), ProfileFlag(), Size("grid", "cores along one edge of the grid"),
                TextFlag("algorithm", "NAME", "gemv: k_tree or pipeline", "k_tree"),
                Size("m", "gemv: length of the input"), Size("n", "gemv: length of the output"),
                Size("size", "gemm: rows and columns of each matrix"),
                Size("d", "decode-layer: hidden size per core"),
                Size("ffn",
                     "decode-layer: feed-forward size per core; "
                     "prefill-layer: of the model"),
                Size("seq", "decode-layer: cached positions per core"),
                Size("hidden", "prefill-layer: hidden size of the model"),
                Size("tokens", "prefill-layer: length of the prompt")},
      .run = PredictKernel};
}

}  // namespace waferline::cli
