// How many cores each piece on a wafer needs at least and could use. Pure; any thread.
#pragma once

#include <vector>

#include "wafer_backend/hardware/placement/placement.h"

namespace waferline::placement {

// Needed is what the SRAM of the weights and KV takes. What the mesh has beyond that goes
// where it shortens the slowest stage, until all take equally long or none gets faster; the rest in
// proportion to the needs. The embedding, a look-up, gets what it needs. Cores over all
// pieces may exceed the mesh's if the needs alone do.
std::vector<CoreDemand> CoreDemands(const PlacementTask& task, const timing::ModelLayers& shares,
                                    const std::vector<PlacedPiece>& pieces, const Mesh& mesh);

// Bytes of weights and KV that one core holds.
double UsableBytesPerCore(const silicon::WaferSpec& wafer);

}  // namespace waferline::placement
