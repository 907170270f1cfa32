// The flags with which a command of `waferctl wafer` asks for a model on wafers, and what they
// name. The same flags with the same defaults for every such command. Values, any thread.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/base/command_line/arguments.h"
#include "wafer_backend/base/command_line/command.h"
#include "wafer_backend/hardware/placement/placement.h"
#include "wafer_backend/hardware/placement/prediction.h"
#include "wafer_backend/hardware/silicon/hardware.h"
#include "wafer_backend/hardware/timing/model_shape.h"
#include "wafer_backend/hardware/timing/profile.h"

namespace waferline::cli {

Flag HardwareFlag();
Flag ProfileFlag();
Flag SvgFlag();

// --model, --hardware, --profile, --context, --users, --wafers, --weights.
std::vector<Flag> ModelFlags();
// Those and --tensor, --replicas.
std::vector<Flag> PlacementFlags();

struct ModelOnWafers {
  timing::ModelSizes shape;
  silicon::Hardware hardware;  // a wafer
  timing::Profile profile;
  std::string weights;  // "fp16"
  double bytes_per_weight = 2;
  int64_t context = 0, users = 0;
  int wafers = 0, tensor = 1, replicas = 1;

  const silicon::WaferSpec& wafer() const { return *hardware.wafer(); }
  // Both refer to this value, which must outlive them.
  placement::PlacementTask Task() const;
  placement::PredictionTask Prediction() const;
  // "llama-3.1-70b, fp16, on 4 x wse-3"
  std::string Title(int wafers_used) const;
  // "1 user, context 4096, profile vendor-2024"
  std::string Load() const;
};

// A name of deploy/model-shapes, a YAML file, a config.json or a GGUF file.
absl::StatusOr<timing::ModelSizes> ReadShape(const std::string& name_or_path);

// --hardware, which must be a wafer.
absl::StatusOr<silicon::Hardware> ReadWafer(const Arguments& arguments);

// What a command with ModelFlags, or with PlacementFlags, was given. A usage error names the flag.
absl::StatusOr<ModelOnWafers> ReadModelFlags(const Arguments& arguments);
absl::StatusOr<ModelOnWafers> ReadPlacementFlags(const Arguments& arguments);

}  // namespace waferline::cli
