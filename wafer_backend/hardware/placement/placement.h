// Where a model lies: which layers on which wafer, and which rectangle of cores each of them owns.
//
// Parallelism, from the outside in: `replicas` copies of the model share the users; each copy is a
// pipeline of `depth` places; each place is `tensor` wafers that share every layer on it. So a
// placement draws `depth` wafers: the others of a place, and the other copies, look the same.
// Layers are cut at layer boundaries, the fullest place as empty as they allow; on a wafer each
// layer owns one region, as large as its weights and KV need and beyond that so that the stages
// take equally long. A token's data crosses wafers only between places and between the wafers of
// one.
//
//   WL_ASSIGN_OR_RETURN(placement, Place({.shape = shape, .wafer = *hardware.wafer(),
//                                         .profile = profile, .context = 8192, .users = 8}));
//
// Plain values, any thread; a millisecond or so for a model of a hundred layers.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/hardware/placement/tiling.h"
#include "wafer_backend/hardware/silicon/hardware.h"
#include "wafer_backend/hardware/timing/layer_part.h"
#include "wafer_backend/hardware/timing/model_shape.h"
#include "wafer_backend/hardware/timing/profile.h"

namespace waferline::placement {

inline constexpr int kMaxWafers = 4096;  // of everything together
inline constexpr int kMaxTensor = 64;

struct PlacementTask {
  const timing::ModelSizes& shape;
  const silicon::WaferSpec& wafer;
  const timing::Profile& profile;
  int64_t context = 4096;  // positions that each user's KV has room for
  int64_t users = 1;       // over all replicas, dealt out evenly
  int wafers = 0;          // over all replicas, a multiple of replicas * tensor; 0: the fewest
  int tensor = 1;
  int replicas = 1;
  double bytes_per_weight = 2;
  double bytes_per_kv_value = 2;
  // Side of the grids that layers share, where the profile's layers do; 0: the fastest measured.
  int decode_grid = 0;
  // Of each layer, what these wafers have; the feed-forward half comes without embedding and
  // output.
  timing::LayerPart layer_part = timing::LayerPart::kWhole;
};

enum class Part : uint8_t { kEmbedding, kLayer, kOutput };

struct PlacedPiece {
  Part part = Part::kLayer;
  int layer = -1;  // of a layer
  int place = 0;   // in the pipeline
  Rectangle region;
  double weight_bytes = 0;    // on one wafer of the place
  double kv_bytes = 0;        // of all the replica's users
  double capacity_bytes = 0;  // what its cores have for weights and KV
};

// The SRAM of a wafer, every byte of it.
struct SramUse {
  double weights = 0;
  double kv = 0;
  double embedding_and_output = 0;
  double code_and_buffers = 0;
  double free = 0;
  double total() const { return weights + kv + embedding_and_output + code_and_buffers + free; }
};

struct Placement {
  int replicas = 1;
  int tensor = 1;
  int depth = 1;
  int64_t users_per_replica = 1;
  Mesh mesh;
  double usable_bytes_per_core = 0;
  std::vector<PlacedPiece> pieces;  // in the order in which a token meets them
  std::vector<SramUse> sram;        // of a wafer of each place
  int wafers() const { return replicas * tensor * depth; }
};

// InvalidArgument names what is out of range and its bounds. ResourceExhausted shows the arithmetic
// of what does not fit and the nearest plans that do: fewer users, a shorter context, more wafers,
// smaller weights, more wafers a layer.
absl::StatusOr<Placement> Place(const PlacementTask& task);

// Layer kinds as one wafer of a place has them.
timing::ModelLayers SharesOf(const PlacementTask& task);

// The regions of the pieces on one place, drawn again on a smaller mesh: what is left when a part
// of the wafer is lost. Nothing if they do not fit it.
std::optional<std::vector<Rectangle>> DrawAgain(const PlacementTask& task,
                                                const Placement& placement, int place,
                                                const Mesh& mesh);

}  // namespace waferline::placement
