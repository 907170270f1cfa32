#include "wafer_backend/hardware/placement/placement.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/number_text.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/placement/core_demand.h"
#include "wafer_backend/hardware/placement/cut.h"
#include "wafer_backend/hardware/placement/nearest_plan.h"
#include "wafer_backend/hardware/placement/tensor_share.h"

namespace waferline::placement {
namespace {

absl::Status CheckNumber(const char* name, double value, double min, double max) {
  if (value >= min && value <= max) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name, " ", OutOfRangeText(value, min, max)));
}

absl::Status CheckGrid(const PlacementTask& t) {
  if (t.decode_grid == 0) return absl::OkStatus();
  if (!t.profile.shared_grid) {
    return absl::InvalidArgumentError(
        absl::StrCat("decode grid is ", t.decode_grid, ", but profile ", t.profile.name,
                     " gives each layer a region of its own; only profiles whose layers share "
                     "grids (open) can be given one"));
  }
  const double edge = std::min(t.wafer.grid_columns.value, t.wafer.grid_rows.value);
  double largest = 0;
  for (const timing::LayerKind& kind : SharesOf(t).kinds) {
    largest = std::max(largest, kind.parameters() * t.bytes_per_weight);
  }
  // The grid holds at least the layer that it works on.
  const double min = std::ceil(std::sqrt(largest / UsableBytesPerCore(t.wafer)));
  return CheckNumber("decode grid", t.decode_grid, std::min(min, edge), edge);
}

absl::Status CheckTask(const PlacementTask& t) {
  constexpr double kMaxCount = 2147483648.0;
  WL_RETURN_IF_ERROR(timing::CheckShape(t.shape));
  WL_RETURN_IF_ERROR(CheckNumber("context", static_cast<double>(t.context), 1, kMaxCount));
  WL_RETURN_IF_ERROR(CheckNumber("users", static_cast<double>(t.users), 1, kMaxCount));
  WL_RETURN_IF_ERROR(CheckNumber("wafers", t.wafers, 0, kMaxWafers));
  WL_RETURN_IF_ERROR(CheckNumber("replicas", t.replicas, 1, kMaxWafers));
  WL_RETURN_IF_ERROR(CheckNumber("tensor", t.tensor, 1, kMaxTensor));
  WL_RETURN_IF_ERROR(CheckNumber("bytes per weight", t.bytes_per_weight, 0.01, 8));
  WL_RETURN_IF_ERROR(CheckNumber("bytes per KV value", t.bytes_per_kv_value, 0.01, 8));
  WL_RETURN_IF_ERROR(CheckNumber("grid_columns", t.wafer.grid_columns.value, 1, 65536));
  WL_RETURN_IF_ERROR(CheckNumber("grid_rows", t.wafer.grid_rows.value, 1, 65536));
  WL_RETURN_IF_ERROR(
      CheckNumber("sram_weight_fraction", t.wafer.sram_weight_fraction.value, 1e-6, 1));
  if (t.tensor > t.shape.heads) {
    return absl::InvalidArgumentError(absl::StrCat("tensor is ", t.tensor, ", but ", t.shape.name,
                                                   " has only ", t.shape.heads,
                                                   " heads to share out"));
  }
  const int unit = t.replicas * t.tensor;
  if (unit > kMaxWafers) {
    return absl::InvalidArgumentError(
        absl::StrCat("replicas * tensor is ", unit, ", must be at most ", kMaxWafers, " wafers"));
  }
  if (t.wafers % unit != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("wafers is ", t.wafers, ", must be a multiple of replicas * tensor = ", unit,
                     "; ", (t.wafers / unit + 1) * unit, " would be"));
  }
  return CheckGrid(t);
}

int64_t UsersPerReplica(const PlacementTask& t) { return (t.users + t.replicas - 1) / t.replicas; }

// Without regions and places yet. A tied matrix serves as table and as output if both are on the
// one wafer (`depth` 1).
std::vector<PlacedPiece> PiecesOf(const PlacementTask& t, const timing::ModelLayers& shares,
                                  int depth) {
  const double vocabulary = timing::VocabularyParameters(t.shape) * t.bytes_per_weight / t.tensor;
  const auto users = static_cast<double>(UsersPerReplica(t));
  const auto context = static_cast<double>(t.context);
  const bool vocabulary_here = timing::HasVocabulary(t.layer_part);
  std::vector<PlacedPiece> pieces;
  pieces.reserve(shares.kind_of.size() + 2);
  if (vocabulary_here && !(t.shape.tied_embeddings && depth == 1)) {
    pieces.push_back({.part = Part::kEmbedding, .weight_bytes = vocabulary});
  }
  for (size_t i = 0; i < shares.kind_of.size(); ++i) {
    const timing::LayerKind& kind = shares.of(i);
    const double kept =
        kind.window > 0 ? std::min(context, static_cast<double>(kind.window)) : context;
    pieces.push_back(
        {.part = Part::kLayer,
         .layer = static_cast<int>(i),
         .weight_bytes = kind.parameters() * t.bytes_per_weight,
         .kv_bytes = kind.kv_values_per_position * t.bytes_per_kv_value * users * kept});
  }
  if (vocabulary_here) pieces.push_back({.part = Part::kOutput, .weight_bytes = vocabulary});
  return pieces;
}

std::vector<double> BytesOf(const std::vector<PlacedPiece>& pieces) {
  std::vector<double> bytes;
  bytes.reserve(pieces.size());
  for (const PlacedPiece& piece : pieces) bytes.push_back(piece.weight_bytes + piece.kv_bytes);
  return bytes;
}

std::vector<SramUse> SramOf(const PlacementTask& t, const Placement& p) {
  const double whole =
      p.usable_bytes_per_core / t.wafer.sram_weight_fraction.value * p.mesh.cores();
  std::vector<SramUse> all(static_cast<size_t>(p.depth));
  for (const PlacedPiece& piece : p.pieces) {
    SramUse& use = all[static_cast<size_t>(piece.place)];
    (piece.part == Part::kLayer ? use.weights : use.embedding_and_output) += piece.weight_bytes;
    use.kv += piece.kv_bytes;
  }
  for (SramUse& use : all) {
    use.code_and_buffers = whole * (1 - t.wafer.sram_weight_fraction.value);
    use.free = whole - use.code_and_buffers - use.weights - use.kv - use.embedding_and_output;
  }
  return all;
}

// The pieces of one place, in order.
std::vector<PlacedPiece> On(const std::vector<PlacedPiece>& pieces, int place) {
  std::vector<PlacedPiece> here;
  for (const PlacedPiece& piece : pieces) {
    if (piece.place == place) here.push_back(piece);
  }
  return here;
}

// Do two places hold the same sorts of pieces in the same order? Then they are drawn alike.
bool SamePieces(const timing::ModelLayers& shares, const std::vector<PlacedPiece>& a,
                const std::vector<PlacedPiece>& b) {
  const auto same = [&](const PlacedPiece& x, const PlacedPiece& y) {
    return x.part == y.part &&
           (x.part != Part::kLayer || shares.kind_of[static_cast<size_t>(x.layer)] ==
                                          shares.kind_of[static_cast<size_t>(y.layer)]);
  };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), same);
}

// Nothing if it does not fit.
std::optional<Placement> PlaceAt(const PlacementTask& t, const timing::ModelLayers& shares,
                                 int depth) {
  Placement p;
  p.replicas = t.replicas;
  p.tensor = t.tensor;
  p.depth = depth;
  p.users_per_replica = UsersPerReplica(t);
  p.mesh = {static_cast<int>(t.wafer.grid_columns.value),
            static_cast<int>(t.wafer.grid_rows.value)};
  p.usable_bytes_per_core = UsableBytesPerCore(t.wafer);
  p.pieces = PiecesOf(t, shares, depth);
  if (static_cast<size_t>(depth) > p.pieces.size()) return std::nullopt;
  const std::vector<double> bytes = BytesOf(p.pieces);
  const std::vector<int> place_of = CutEvenly(bytes, depth);
  std::vector<double> load(static_cast<size_t>(depth), 0.0);
  for (size_t i = 0; i < p.pieces.size(); ++i) {
    p.pieces[i].place = place_of[i];
    load[static_cast<size_t>(place_of[i])] += bytes[i];
  }
  const double usable = p.usable_bytes_per_core * p.mesh.cores();
  if (*std::max_element(load.begin(), load.end()) > usable) return std::nullopt;
  size_t next = 0;
  std::vector<PlacedPiece> before;
  std::optional<std::vector<Rectangle>> drawn;
  for (int place = 0; place < depth; ++place) {
    std::vector<PlacedPiece> here = On(p.pieces, place);
    if (!SamePieces(shares, here, before))
      drawn = Tile(p.mesh, CoreDemands(t, shares, here, p.mesh));
    before = std::move(here);
    if (!drawn.has_value()) return std::nullopt;
    for (const Rectangle& region : *drawn) {
      p.pieces[next].region = region;
      p.pieces[next++].capacity_bytes = region.cores() * p.usable_bytes_per_core;
    }
  }
  p.sram = SramOf(t, p);
  return p;
}

}  // namespace

timing::ModelLayers SharesOf(const PlacementTask& task) {
  timing::ModelLayers shares = timing::LayersOf(task.shape);
  for (timing::LayerKind& kind : shares.kinds) {
    kind = timing::PartOf(ShareOf(task.shape, kind, task.tensor), task.layer_part);
  }
  return shares;
}

std::optional<Placement> TryPlace(const PlacementTask& t) {
  const timing::ModelLayers shares = SharesOf(t);
  const int unit = t.replicas * t.tensor;
  if (t.wafers > 0) return PlaceAt(t, shares, t.wafers / unit);
  const double usable = UsableBytesPerCore(t.wafer) * std::floor(t.wafer.grid_columns.value) *
                        std::floor(t.wafer.grid_rows.value);
  const auto fewest = [&](int depth) {  // by bytes, of the pieces that so many places have
    std::vector<double> bytes = BytesOf(PiecesOf(t, shares, depth));
    return *std::max_element(bytes.begin(), bytes.end()) > usable ? kMaxWafers + 1
                                                                  : FewestParts(bytes, usable);
  };
  const int alone = fewest(1);
  // More places than pieces would leave some empty.
  const int max = std::min(kMaxWafers / unit, static_cast<int>(t.shape.layers) + 2);
  for (int depth = alone == 1 ? 1 : std::max(2, fewest(2)); depth <= max; ++depth) {
    if (auto placed = PlaceAt(t, shares, depth)) return placed;
  }
  return std::nullopt;
}

LoadSummary LoadOf(const PlacementTask& t) {
  LoadSummary sum;
  const int depth = std::max(1, t.wafers / (t.replicas * t.tensor));
  for (const PlacedPiece& piece : PiecesOf(t, SharesOf(t), depth)) {
    sum.weight_bytes += piece.weight_bytes;
    sum.kv_bytes += piece.kv_bytes;
    sum.largest_piece_bytes =
        std::max(sum.largest_piece_bytes, piece.weight_bytes + piece.kv_bytes);
    ++sum.pieces;
  }
  sum.usable_bytes = UsableBytesPerCore(t.wafer) * std::floor(t.wafer.grid_columns.value) *
                     std::floor(t.wafer.grid_rows.value);
  return sum;
}

absl::StatusOr<Placement> Place(const PlacementTask& task) {
  WL_RETURN_IF_ERROR(CheckTask(task));
  if (std::optional<Placement> placed = TryPlace(task)) return *std::move(placed);
  return Refusal(task);
}

std::optional<std::vector<Rectangle>> DrawAgain(const PlacementTask& task,
                                                const Placement& placement, int place,
                                                const Mesh& mesh) {
  return Tile(mesh, CoreDemands(task, SharesOf(task), On(placement.pieces, place), mesh));
}

}  // namespace waferline::placement
