// Faults that take silicon away: core, row, die, wafer.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "wafer_backend/hardware/placement/fault_case.h"
#include "wafer_backend/hardware/silicon/repair.h"

namespace waferline::placement {
namespace {

Rectangle Overlap(const Rectangle& a, const Rectangle& b) {
  Rectangle o{std::max(a.column, b.column), std::max(a.row, b.row), 0, 0};
  o.columns = std::max(0, std::min(a.column + a.columns, b.column + b.columns) - o.column);
  o.rows = std::max(0, std::min(a.row + a.rows, b.row + b.rows) - o.row);
  return o;
}

}  // namespace

void FaultCase::LoseWhatLiesOn(const Rectangle& lost) {
  for (const PlacedPiece& piece : p_.pieces) {
    if (piece.place != fault_.place) continue;
    const double share = Overlap(piece.region, lost).cores() / piece.region.cores();
    cost_.weight_bytes_lost += share * piece.weight_bytes;
    cost_.kv_bytes_lost += share * piece.kv_bytes;
  }
  cost_.reload_seconds = cost_.weight_bytes_lost / task_.wafer.io_bytes_per_second.value;
}

silicon::Defect FaultCase::DefectAt(int column, int row) const {
  return {static_cast<int>(int64_t{column} * grid_.columns / grid_.mesh_columns),
          static_cast<int>(int64_t{row} * grid_.rows / grid_.mesh_rows), false};
}

Rectangle FaultCase::DieColumn() const {
  const int die = DieOf(column_, grid_.die_columns, p_.mesh.columns);
  const int begin = Begin(die, grid_.die_columns, p_.mesh.columns);
  return {begin, 0, Begin(die + 1, grid_.die_columns, p_.mesh.columns) - begin, p_.mesh.rows};
}

Rectangle FaultCase::DieRow() const {
  const int die = DieOf(row_, grid_.die_rows, p_.mesh.rows);
  const int begin = Begin(die, grid_.die_rows, p_.mesh.rows);
  return {0, begin, p_.mesh.columns, Begin(die + 1, grid_.die_rows, p_.mesh.rows) - begin};
}

void FaultCase::StepIn() {
  const bool row = fault_.kind == FaultKind::kRow;
  std::vector<silicon::Defect> after = setting_.defects;
  if (row) {
    // A unit of repair each: where that is a core, every one of the row.
    const bool cores = grid_.granularity == silicon::Granularity::kCore;
    const int units = cores ? p_.mesh.columns : grid_.die_columns;
    for (int unit = 0; unit < units; ++unit) {
      after.push_back(DefectAt(Begin(unit, units, p_.mesh.columns), row_));
    }
  } else {
    after.push_back(DefectAt(column_, row_));
  }
  const silicon::RepairedWafer was = silicon::Repair(grid_, setting_.defects);
  const silicon::RepairedWafer is = silicon::Repair(grid_, after);
  if (is.spares_short > was.spares_short) {
    LoseDie("No spare is left; ");
    return;
  }
  Restart();
  LoseWhatLiesOn(row ? Rectangle{0, row_, p_.mesh.columns, 1} : Rectangle{column_, row_, 1, 1});
  // What repair moves lies between the fault and the end of its die (or wafer): the messages of
  // those regions walk around it.
  const std::vector<silicon::Defect> alone(
      after.begin() + static_cast<std::ptrdiff_t>(setting_.defects.size()), after.end());
  const silicon::RepairedWafer hops = silicon::Repair(grid_, alone);
  cost_.extra_hops = 2.0 * (hops.row_extra_hops_max + hops.column_extra_hops_max);
  ReplicaHealth health = Standing();
  const Rectangle moved = Moved(row);
  for (size_t i = 0; i < p_.pieces.size(); ++i) {
    const bool hit =
        p_.pieces[i].place == fault_.place && Overlap(p_.pieces[i].region, moved).cores() > 0;
    health.extra_hops.push_back(hit ? cost_.extra_hops : 0);
    if (hit) cost_.remapped.push_back(i);
  }
  SetAfter(SpeedOf(task_, p_, health));
  cost_.story = absl::StrFormat(
      "%d spare unit(s) step in (%s), %d of %d regions on the wafer are shifted, and their "
      "messages walk %.3g hops more there and back.",
      is.spares_used - was.spares_used, task_.wafer.repair_granularity.value, cost_.remapped.size(),
      PiecesOnPlace(), cost_.extra_hops);
}

Rectangle FaultCase::Moved(bool row) const {
  const Rectangle die_column = DieColumn(), die_row = DieRow();
  const int end = grid_.granularity == silicon::Granularity::kRowOfWafer
                      ? p_.mesh.rows
                      : die_row.row + die_row.rows;
  if (grid_.granularity == silicon::Granularity::kCore && !row) {
    return {column_, row_, die_column.column + die_column.columns - column_, 1};
  }
  const bool wide = row || grid_.granularity == silicon::Granularity::kRowOfWafer;
  return {wide ? 0 : die_column.column, row_, wide ? p_.mesh.columns : die_column.columns,
          end - row_};
}

int64_t FaultCase::PiecesOnPlace() const {
  return std::count_if(p_.pieces.begin(), p_.pieces.end(),
                       [this](const PlacedPiece& piece) { return piece.place == fault_.place; });
}

void FaultCase::LoseDie(const std::string& before) {
  const Rectangle column = DieColumn(), row = DieRow();
  for (const Mesh mesh : {Mesh{p_.mesh.columns - column.columns, p_.mesh.rows},
                          Mesh{p_.mesh.columns, p_.mesh.rows - row.rows}}) {
    if (mesh.columns < 1 || mesh.rows < 1) continue;
    const auto drawn = DrawAgain(task_, p_, fault_.place, mesh);
    if (!drawn.has_value()) continue;
    Restart();
    LoseWhatLiesOn({0, 0, p_.mesh.columns, p_.mesh.rows});  // every region is somewhere else
    Placement narrower = p_;
    size_t next = 0;
    for (size_t i = 0; i < narrower.pieces.size(); ++i) {
      PlacedPiece& piece = narrower.pieces[i];
      if (piece.place != fault_.place) continue;
      piece.region = (*drawn)[next++];
      piece.capacity_bytes = piece.region.cores() * p_.usable_bytes_per_core;
      cost_.remapped.push_back(i);
    }
    SetAfter(SpeedOf(task_, narrower, Standing()));
    cost_.story = absl::StrFormat(
        "%sno spare replaces a die: the wafer's regions are drawn again on %d x %d cores, %.1f "
        "%% "
        "fewer.",
        before, mesh.columns, mesh.rows, 100 * (1 - mesh.cores() / p_.mesh.cores()));
    return;
  }
  LoseWafer(before + "without the die the layers do not fit their wafer; ");
}

void FaultCase::LoseWafer(const std::string& before) {
  Restart();
  for (size_t i = 0; i < p_.pieces.size(); ++i) {
    if (p_.pieces[i].place == fault_.place) cost_.remapped.push_back(i);
  }
  LoseWhatLiesOn({0, 0, p_.mesh.columns, p_.mesh.rows});
  if (setting_.spare_wafers > 0) {
    SetAfter(SpeedOf(task_, p_, Standing()));
    cost_.story = absl::StrCat(before, "a spare wafer is loaded and takes its place.");
    return;
  }
  if (MoveToFewerWafers(before)) return;
  cost_.serving = false;
  cost_.wafers_after = p_.wafers() - p_.tensor * p_.depth;
  cost_.reload_seconds = 0;
  const double left = static_cast<double>(p_.replicas - 1) / p_.replicas;
  cost_.aggregate_after = cost_.aggregate_before * left;
  cost_.full_after = cost_.full_before * left;
  cost_.story = absl::StrCat(before,
                             "no spare wafer, and the model does not fit fewer: the "
                             "replica is down until the wafer is replaced.");
}

bool FaultCase::MoveToFewerWafers(const std::string& before) {
  if (p_.depth == 1) return false;
  PlacementTask fewer = task_;
  fewer.wafers = (p_.depth - 1) * p_.replicas * p_.tensor;
  const absl::StatusOr<Placement> moved = Place(fewer);
  if (!moved.ok()) return false;
  cost_.wafers_after = p_.wafers() - p_.tensor;
  // The places are cut anew: all weights are loaded, each wafer through its own links, and all KV
  // is lost.
  cost_.kv_bytes_lost = cost_.weight_bytes_lost = 0;
  cost_.remapped.clear();
  for (size_t i = 0; i < p_.pieces.size(); ++i) {
    cost_.remapped.push_back(i);
    cost_.kv_bytes_lost += p_.pieces[i].kv_bytes;
    cost_.weight_bytes_lost += p_.pieces[i].weight_bytes;
  }
  double fullest = 0;
  for (const SramUse& use : moved->sram) {
    fullest = std::max(fullest, use.weights + use.embedding_and_output);
  }
  cost_.reload_seconds = fullest / task_.wafer.io_bytes_per_second.value;
  ReplicaHealth health = Standing();
  health.places.erase(health.places.begin() + fault_.place);
  SetAfter(SpeedOf(fewer, *moved, health));
  cost_.story = absl::StrCat(before, "no spare wafer: the replica moves to ",
                             (p_.depth - 1) * p_.tensor, " wafers.");
  return true;
}

}  // namespace waferline::placement
