#include "client/cli/wafer/placement_flags.h"

#include <array>
#include <utility>

#include "client/cli/wafer/wafer_commands.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/silicon/hardware_file.h"
#include "wafer_backend/hardware/timing/model_shape_file.h"
#include "wafer_backend/hardware/timing/profile_file.h"

namespace waferline::cli {
namespace {

absl::StatusOr<double> BytesOf(const std::string& weights) {
  constexpr std::array<std::pair<std::string_view, double>, 7> kTypes = {{{"fp32", 4},
                                                                          {"fp16", 2},
                                                                          {"bf16", 2},
                                                                          {"fp8", 1},
                                                                          {"int8", 1},
                                                                          {"fp4", 0.5},
                                                                          {"int4", 0.5}}};
  for (const auto& [name, bytes] : kTypes) {
    if (weights == name) return bytes;
  }
  return UsageError("--weights is \"" + weights +
                    "\", must be fp32, fp16, bf16, fp8, int8, fp4 or int4");
}

}  // namespace

std::vector<Flag> ModelFlags() {
  constexpr int64_t kMost = int64_t{1} << 31;
  return {TextFlag("model", "NAME|FILE",
                   "a shape of deploy/model-shapes, a YAML file, or a config.json"),
          TextFlag("profile", "NAME|FILE", "kernel constants of deploy/profiles, or a file",
                   "vendor-2024"),
          IntegerFlag("context", "N", "positions that a user's KV has room for", 4096, 1, kMost),
          IntegerFlag("users", "U", "users at once, over all replicas", 1, 1, kMost),
          IntegerFlag("wafers", "W", "how many in all; 0: the fewest that fit", 0, 0,
                      placement::kMaxWafers),
          TextFlag("weights", "TYPE", "fp16, fp8, int4, ...", "fp16")};
}

std::vector<Flag> PlacementFlags() {
  std::vector<Flag> flags = ModelFlags();
  flags.push_back(
      IntegerFlag("tensor", "T", "wafers that share each layer", 1, 1, placement::kMaxTensor));
  flags.push_back(IntegerFlag("replicas", "R", "copies of the model", 1, 1, placement::kMaxWafers));
  return flags;
}

placement::PlacementTask ModelOnWafers::Task() const {
  return {.shape = shape,
          .wafer = wafer(),
          .profile = profile,
          .context = context,
          .users = users,
          .wafers = wafers,
          .tensor = tensor,
          .replicas = replicas,
          .bytes_per_weight = bytes_per_weight};
}

std::string ModelOnWafers::Title(int wafers_used) const {
  return shape.name + ", " + weights + ", on " + std::to_string(wafers_used) + " x " +
         hardware.name;
}

absl::StatusOr<ModelOnWafers> ReadModelFlags(const Arguments& arguments) {
  if (!arguments.Has("model")) return UsageError("--model is needed: a model shape or a file");
  ModelOnWafers it;
  it.weights = arguments.Text("weights");
  WL_ASSIGN_OR_RETURN(it.bytes_per_weight, BytesOf(it.weights));
  WL_ASSIGN_OR_RETURN(it.shape, timing::LoadModelShape(arguments.Text("model")));
  WL_ASSIGN_OR_RETURN(it.hardware, silicon::LoadHardware(arguments.Text("hardware")));
  if (it.hardware.wafer() == nullptr) {
    return UsageError("--hardware " + it.hardware.name + " is no wafer");
  }
  WL_ASSIGN_OR_RETURN(it.profile, timing::LoadProfile(arguments.Text("profile")));
  it.context = arguments.Integer("context");
  it.users = arguments.Integer("users");
  it.wafers = static_cast<int>(arguments.Integer("wafers"));
  return it;
}

absl::StatusOr<ModelOnWafers> ReadPlacementFlags(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(ModelOnWafers it, ReadModelFlags(arguments));
  it.tensor = static_cast<int>(arguments.Integer("tensor"));
  it.replicas = static_cast<int>(arguments.Integer("replicas"));
  return it;
}

}  // namespace waferline::cli
