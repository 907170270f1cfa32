// The cores of a wafer before repair: how many are where, and which of them are spares. A value.
//
// Software sees a mesh of grid_columns x grid_rows cores. The physical ones beyond it are spares
// that lie where the granularity of repair can use them: whole rows (row-of-die, row-of-wafer) or
// extra cores in each row (core). Which it is on the real wafer is unpublished; the counts follow
// from cores_physical.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "wafer_backend/hardware/silicon/hardware.h"

namespace waferline::silicon {

enum class Granularity : uint8_t { kCore, kRowOfDie, kRowOfWafer };
// From "core", "row-of-die", "row-of-wafer".
absl::StatusOr<Granularity> ParseGranularity(const std::string& text);

struct CoreGrid {
  Granularity granularity = Granularity::kRowOfDie;
  int columns = 0;       // physical
  int rows = 0;          // physical
  int mesh_columns = 0;  // what software sees
  int mesh_rows = 0;
  int die_columns = 0;
  int die_rows = 0;

  int64_t cores() const { return int64_t{columns} * rows; }
  int dies() const { return die_columns * die_rows; }
  // First physical column of a die column, for 0 .. die_columns (the last is the end); rows alike.
  // The reticle grid need not divide the cores evenly.
  int ColumnBegin(int die_column) const {
    return static_cast<int>(int64_t{columns} * die_column / die_columns);
  }
  int RowBegin(int die_row) const { return static_cast<int>(int64_t{rows} * die_row / die_rows); }
  int DieColumnOf(int column) const;
  int DieRowOf(int row) const;

  // Spare rows of one row of dies (row-of-die), of the wafer (row-of-wafer), or spare cores in one
  // row of one die (core).
  int SpareRowsOf(int die_row) const;
  int spare_rows() const { return rows - mesh_rows; }
  int SpareCoresOf(int die_column) const;

  // InvalidArgument if cores_physical is less than the mesh.
  static absl::StatusOr<CoreGrid> Of(const WaferSpec& wafer, Granularity granularity);
};

}  // namespace waferline::silicon
