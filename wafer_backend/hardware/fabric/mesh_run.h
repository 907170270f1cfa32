// All cycles of a mesh, on some threads. Internal to this folder.
#pragma once

#include "absl/status/statusor.h"
#include "wafer_backend/hardware/fabric/mesh.h"

namespace waferline::fabric {

// As Fabric::Run.
absl::StatusOr<RunResult> RunMesh(Mesh* mesh, const RunOptions& options);

}  // namespace waferline::fabric
