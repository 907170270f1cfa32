// waferctl wafer predict-kernel: cycles of one kernel.
#include <boost/json.hpp>
#include <cmath>

#include "client/cli/frame/output.h"
#include "client/cli/wafer/model_flags.h"
#include "client/cli/wafer/wafer_commands.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/timing/kernels.h"
#include "wafer_backend/hardware/timing/profile_file.h"

namespace waferline::cli {
namespace {

constexpr char kGemv[] = "gemv";
constexpr char kGemm[] = "gemm";
constexpr char kDecodeLayer[] = "decode-layer";
constexpr char kPrefillLayer[] = "prefill-layer";

// The flags of another kernel's size are refused by their conditions.
timing::KernelSize SizeFrom(const Arguments& a) {
  const std::string& kernel = a.Text("kernel");
  const int64_t grid = a.Integer("grid");
  if (kernel == kGemv) {
    return timing::GemvSize{
        a.Text("algorithm") == "k_tree" ? timing::Allreduce::kTree : timing::Allreduce::kChain,
        grid, a.Integer("m"), a.Integer("n")};
  }
  if (kernel == kGemm) return timing::GemmSize{grid, a.Integer("size")};
  if (kernel == kDecodeLayer) {
    return timing::DecodeLayerSize{grid, a.Integer("d"), a.Integer("ffn"), a.Integer("seq")};
  }
  return timing::PrefillLayerSize{grid, a.Integer("hidden"), a.Integer("ffn"), a.Integer("tokens")};
}

absl::Status PredictKernel(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const silicon::Hardware hardware, ReadWafer(arguments));
  const silicon::WaferSpec& wafer = *hardware.wafer();
  WL_ASSIGN_OR_RETURN(const timing::Profile profile,
                      timing::LoadProfile(arguments.Text("profile")));
  WL_ASSIGN_OR_RETURN(const double cycles,
                      timing::KernelCycles(wafer, profile, SizeFrom(arguments)));
  const double microseconds = cycles / wafer.clock_hz.value * 1e6;
  if (arguments.json()) {
    const boost::json::object out = {{"kernel", arguments.Text("kernel")},
                                     {"hardware", hardware.name},
                                     {"profile", profile.name},
                                     {"cycles", std::round(cycles * 10) / 10},
                                     {"clock_hz", wafer.clock_hz.value},
                                     {"microseconds", microseconds},
                                     {"spread", profile.spread}};
    PrintText(JsonText(out) + "\n");
  } else {
    Print(
        "{} on {}, profile {}: {:.1f} cycles (one standard deviation {:.1f} %), {:.3f} us at "
        "{:.2f} GHz\n",
        arguments.Text("kernel"), hardware.name, profile.name, cycles, 100 * profile.spread,
        microseconds, wafer.clock_hz.value * 1e-9);
  }
  return absl::OkStatus();
}

Flag Size(const char* name, const char* summary) {
  return IntegerFlag(name, "N", summary, {1, 1'000'000'000'000}).Required();
}

}  // namespace

Command PredictKernelCommand() {
  return Command{
      .words = "wafer predict-kernel",
      .summary = "Predict the cycles of one kernel on a grid of cores",
      .flags = {ChoiceFlag("kernel", "KERNEL", "what is computed",
                           {kGemv, kGemm, kDecodeLayer, kPrefillLayer})
                    .Required(),
                HardwareFlag(), ProfileFlag().Default("open"),
                Size("grid", "cores along one edge of the grid"),
                ChoiceFlag("algorithm", "NAME", "how partial sums are added",
                           {"k_tree", "pipeline"})
                    .Default("k_tree")
                    .With("kernel", {kGemv}),
                Size("m", "length of the input").With("kernel", {kGemv}),
                Size("n", "length of the output").With("kernel", {kGemv}),
                Size("size", "rows and columns of each matrix").With("kernel", {kGemm}),
                Size("ffn",
                     "feed-forward size: of a core for decode-layer, of the model for "
                     "prefill-layer")
                    .With("kernel", {kDecodeLayer, kPrefillLayer}),
                Size("d", "hidden size of a core").With("kernel", {kDecodeLayer}),
                Size("seq", "cached tokens of a core").With("kernel", {kDecodeLayer}),
                Size("hidden", "hidden size of the model").With("kernel", {kPrefillLayer}),
                Size("tokens", "length of the prompt").With("kernel", {kPrefillLayer})},
      .examples = {"waferctl wafer predict-kernel --kernel gemv --grid 256 --m 4096 --n 4096"},
      .run = PredictKernel};
}

}  // namespace waferline::cli
