#include "client/cli/wafer/model_flags.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/frame/output.h"
#include "scheduler/fleet/timed_shape.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/silicon/hardware_file.h"
#include "wafer_backend/hardware/timing/model_shape_file.h"
#include "wafer_backend/hardware/timing/profile_file.h"
#include "wafer_backend/hardware/timing/weight_types.h"

namespace waferline::cli {

Flag HardwareFlag() {
  return TextFlag("hardware", "NAME|FILE", "the machine: a name of deploy/hardware, or such a file")
      .Suggest(silicon::BuiltInHardware())
      .Default("wse-3");
}

Flag ProfileFlag() {
  return TextFlag("profile", "NAME|FILE",
                  "speed of the kernels: a name of deploy/profiles, or such a file")
      .Suggest(timing::BuiltInProfiles())
      .Default("vendor-2024");
}

Flag SvgFlag() { return OutputFlag("svg", "also draw it, as an SVG picture"); }

std::vector<Flag> ModelFlags() {
  constexpr int64_t kMax = int64_t{1} << 31;
  return {
      TextFlag("model", "NAME|FILE",
               "the model: a name of deploy/model-shapes, a YAML file like those, a Hugging "
               "Face config.json, or a GGUF file")
          .Suggest(timing::BuiltInModelShapes())
          .Required(),
      HardwareFlag(),
      ProfileFlag(),
      IntegerFlag("context", "N", "cached tokens of each user", {1, kMax})
          .Alias("kv")
          .Default(4096),
      IntegerFlag("users", "N", "users served at once, over all replicas", {1, kMax}).Default(1),
      IntegerFlag("wafers", "N", "wafers in all; 0: as few as fit", {0, placement::kMaxWafers})
          .Default(0),
      ChoiceFlag("weights", "TYPE", "number format of the weights",
                 absl::StrSplit(timing::WeightTypeNames(), ", "))
          .Default("fp16")};
}

std::vector<Flag> PlacementFlags() {
  std::vector<Flag> flags = ModelFlags();
  flags.push_back(IntegerFlag("tensor", "N", "wafers that share each layer (tensor parallelism)",
                              {1, placement::kMaxTensor})
                      .Default(1));
  flags.push_back(
      IntegerFlag("replicas", "N", "copies of the model", {1, placement::kMaxWafers}).Default(1));
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

placement::PredictionTask ModelOnWafers::Prediction() const {
  return {.shape = shape,
          .wafer = wafer(),
          .profile = profile,
          .wafers = wafers,
          .bytes_per_weight = bytes_per_weight,
          .kv = context,
          .users = users};
}

std::string ModelOnWafers::Title(int wafers_used) const {
  return absl::StrCat(shape.name, ", ", weights, ", on ", wafers_used, " x ", hardware.name);
}

std::string ModelOnWafers::Load() const {
  return absl::StrCat(Counted(users, "user"), ", context ", context, ", profile ", profile.name);
}

absl::StatusOr<timing::ModelSizes> ReadShape(const std::string& name_or_path) {
  WL_ASSIGN_OR_RETURN(fleet::TimedShape read, fleet::LoadTimedShape(name_or_path));
  return std::move(read.shape);
}

absl::StatusOr<silicon::Hardware> ReadWafer(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(silicon::Hardware hardware,
                      silicon::LoadHardware(arguments.Text("hardware")));
  if (hardware.wafer() == nullptr) {
    return UsageError("--hardware: " + hardware.name + " is an accelerator, must be a wafer");
  }
  return hardware;
}

absl::StatusOr<ModelOnWafers> ReadModelFlags(const Arguments& arguments) {
  ModelOnWafers it;
  it.weights = arguments.Text("weights");
  WL_ASSIGN_OR_RETURN(it.bytes_per_weight, timing::BytesPerWeight(it.weights));
  WL_ASSIGN_OR_RETURN(it.shape, ReadShape(arguments.Text("model")));
  WL_ASSIGN_OR_RETURN(it.hardware, ReadWafer(arguments));
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
