#include "wafer_backend/hardware/silicon/core_grid.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace waferline::silicon {

absl::StatusOr<Granularity> ParseGranularity(const std::string& text) {
  if (text == "core") return Granularity::kCore;
  if (text == "row-of-die") return Granularity::kRowOfDie;
  if (text == "row-of-wafer") return Granularity::kRowOfWafer;
  return absl::InvalidArgumentError(absl::StrCat(
      "granularity is \"", text, "\", must be one of: core, row-of-die, row-of-wafer"));
}

absl::StatusOr<CoreGrid> CoreGrid::Of(const WaferSpec& wafer, Granularity granularity) {
  CoreGrid grid;
  grid.granularity = granularity;
  grid.mesh_columns = grid.columns = static_cast<int>(wafer.grid_columns.value);
  grid.mesh_rows = grid.rows = static_cast<int>(wafer.grid_rows.value);
  grid.die_columns = static_cast<int>(wafer.die_columns.value);
  grid.die_rows = static_cast<int>(wafer.die_rows.value);
  const auto physical = static_cast<int64_t>(wafer.cores_physical.value);
  if (physical < grid.cores()) {
    return absl::InvalidArgumentError(absl::StrCat("cores_physical is ", physical,
                                                   ", less than the mesh of ", grid.columns, " x ",
                                                   grid.rows, " = ", grid.cores(), " cores"));
  }
  if (grid.die_columns > grid.columns || grid.die_rows > grid.rows) {
    return absl::InvalidArgumentError("die_columns x die_rows is finer than the mesh");
  }
  if (granularity == Granularity::kCore) {
    grid.columns = static_cast<int>(physical / grid.rows);
  } else {
    grid.rows = static_cast<int>(physical / grid.columns);
  }
  return grid;
}

int CoreGrid::DieColumnOf(int column) const {
  int die = static_cast<int>(int64_t{column} * die_columns / columns);
  while (die + 1 < die_columns && ColumnBegin(die + 1) <= column) ++die;
  return die;
}

int CoreGrid::DieRowOf(int row) const {
  int die = static_cast<int>(int64_t{row} * die_rows / rows);
  while (die + 1 < die_rows && RowBegin(die + 1) <= row) ++die;
  return die;
}

int CoreGrid::SpareRowsOf(int die_row) const {
  const auto mesh_begin = [this](int die) { return int64_t{mesh_rows} * die / die_rows; };
  return RowBegin(die_row + 1) - RowBegin(die_row) -
         static_cast<int>(mesh_begin(die_row + 1) - mesh_begin(die_row));
}

int CoreGrid::SpareCoresOf(int die_column) const {
  const auto mesh_begin = [this](int die) { return int64_t{mesh_columns} * die / die_columns; };
  return ColumnBegin(die_column + 1) - ColumnBegin(die_column) -
         static_cast<int>(mesh_begin(die_column + 1) - mesh_begin(die_column));
}

}  // namespace waferline::silicon
