// The flags with which a command of `waferctl wafer` asks for a model laid on wafers, and what they
// name. Values, any thread.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/frame/arguments.h"
#include "client/cli/frame/command.h"
#include "wafer_backend/hardware/placement/placement.h"
#include "wafer_backend/hardware/silicon/hardware.h"
#include "wafer_backend/hardware/timing/model_shape.h"
#include "wafer_backend/hardware/timing/profile.h"

namespace waferline::cli {

// --model, --profile, --context, --users, --wafers, --weights; --hardware is the command's own.
std::vector<Flag> ModelFlags();
// Those and --tensor, --replicas.
std::vector<Flag> PlacementFlags();

struct ModelOnWafers {
  timing::ModelShape shape;
  silicon::Hardware hardware;  // a wafer
  timing::Profile profile;
  std::string weights;  // "fp16"
  double bytes_per_weight = 2;
  int64_t context = 0, users = 0;
  int wafers = 0, tensor = 1, replicas = 1;

  const silicon::WaferSpec& wafer() const { return *hardware.wafer(); }
  // Refers to this value, which must outlive it.
  placement::PlacementTask Task() const;
  // "llama-3.1-70b, fp16, on 4 x wse-3"
  std::string Title(int wafers_used) const;
};

// What a command with ModelFlags, or with PlacementFlags, was given. A usage error names the flag.
absl::StatusOr<ModelOnWafers> ReadModelFlags(const Arguments& arguments);
absl::StatusOr<ModelOnWafers> ReadPlacementFlags(const Arguments& arguments);

}  // namespace waferline::cli
