#include "wafer_backend/hardware/silicon/repair.h"

#include <algorithm>
#include <cstdlib>
#include <set>
#include <utility>

namespace waferline::silicon {
namespace {

using Cell = std::pair<int, int>;  // row, column

// Extra hops of every row and column of the mesh, summed into the result.
class HopCounter {
 public:
  explicit HopCounter(const CoreGrid& grid) : rows_(grid.mesh_rows), columns_(grid.mesh_columns) {}
  // Indices are of the mesh; what repair moved beyond it (an unsellable wafer) is not counted.
  void AddToRow(int row, int hops) {
    if (row >= 0 && row < static_cast<int>(rows_.size())) rows_[row] += hops;
  }
  void AddToColumns(int begin, int end, int hops) {
    for (int c = std::max(begin, 0); c < std::min(end, static_cast<int>(columns_.size())); ++c)
      columns_[c] += hops;
  }
  void Fill(RepairedWafer* out) const {
    Summarise(rows_, &out->row_extra_hops_mean, &out->row_extra_hops_max);
    Summarise(columns_, &out->column_extra_hops_mean, &out->column_extra_hops_max);
  }

 private:
  static void Summarise(const std::vector<int>& hops, double* mean, int* max) {
    int64_t sum = 0;
    for (int h : hops) {
      sum += h;
      *max = std::max(*max, h);
    }
    *mean = static_cast<double>(sum) / static_cast<double>(hops.size());
  }
  std::vector<int> rows_, columns_;
};

// A core is bypassed within its row of its die: messages along the row cross it; messages along a
// column jog sideways where the shift of neighbouring rows differs, once going into the row and
// once coming out.
void RepairCores(const CoreGrid& grid, const std::set<Cell>& dead, HopCounter& hops,
                 RepairedWafer* out) {
  int run = 0;  // dead cores so far in this row of this die: they stand side by side in `dead`
  Cell before{-1, -1};
  for (const Cell& cell : dead) {
    const auto [row, column] = cell;
    const int die = grid.DieColumnOf(column);
    run = before.first == row && grid.DieColumnOf(before.second) == die ? run + 1 : 1;
    if (run > grid.SpareCoresOf(die)) ++out->spares_short;
    hops.AddToRow(row, 1);
    hops.AddToColumns(column, grid.ColumnBegin(die + 1), 2);
    before = cell;
  }
  out->spares_used = out->switched_off = static_cast<int64_t>(dead.size());
}

// A row of a die is switched off: the die's rows below it move up. Messages down a column cross it;
// messages along a row jog at the border of two dies whose rows have moved by different amounts.
void RepairRowsOfDies(const CoreGrid& grid, const std::set<Cell>& dead, HopCounter& hops,
                      RepairedWafer* out) {
  std::vector<std::set<int>> off(grid.dies());
  for (const auto& [row, column] : dead) {
    off[grid.DieRowOf(row) * grid.die_columns + grid.DieColumnOf(column)].insert(row);
  }
  for (int die_row = 0; die_row < grid.die_rows; ++die_row) {
    for (int die_column = 0; die_column < grid.die_columns; ++die_column) {
      const std::set<int>& here = off[die_row * grid.die_columns + die_column];
      const int begin = grid.ColumnBegin(die_column), end = grid.ColumnBegin(die_column + 1);
      const auto count = static_cast<int>(here.size());
      out->spares_used += count;
      out->spares_short += std::max(0, count - grid.SpareRowsOf(die_row));
      out->switched_off += int64_t{count} * (end - begin);
      hops.AddToColumns(begin, end, count);
    }
    // A mesh row of this row of dies lies `moved` physical rows lower in each die: what was
    // switched off above it there.
    const int mesh_begin = static_cast<int>(int64_t{grid.mesh_rows} * die_row / grid.die_rows);
    const int mesh_end = static_cast<int>(int64_t{grid.mesh_rows} * (die_row + 1) / grid.die_rows);
    std::vector<int> moved(grid.die_columns, 0);
    for (int row = mesh_begin; row < mesh_end; ++row) {
      int jogs = 0;
      for (int die_column = 0; die_column < grid.die_columns; ++die_column) {
        const std::set<int>& here = off[die_row * grid.die_columns + die_column];
        int& m = moved[die_column];
        while (here.count(grid.RowBegin(die_row) + (row - mesh_begin) + m) != 0) ++m;
        if (die_column > 0) jogs += std::abs(m - moved[die_column - 1]);
      }
      hops.AddToRow(row, jogs);
    }
  }
}

// A whole row is switched off: only messages along columns notice.
void RepairRowsOfWafer(const CoreGrid& grid, const std::set<Cell>& dead, HopCounter& hops,
                       RepairedWafer* out) {
  std::set<int> off;
  for (const auto& [row, column] : dead) off.insert(row);
  const auto count = static_cast<int>(off.size());
  out->spares_used = count;
  out->spares_short = std::max(0, count - grid.spare_rows());
  out->switched_off = int64_t{count} * grid.columns;
  hops.AddToColumns(0, grid.mesh_columns, count);
}

}  // namespace

RepairedWafer Repair(const CoreGrid& grid, const std::vector<Defect>& defects) {
  RepairedWafer out;
  out.defects_by_die.assign(grid.dies(), 0);
  HopCounter hops(grid);
  std::set<Cell> dead;
  for (const Defect& defect : defects) {
    ++out.defects_by_die[grid.DieRowOf(defect.row) * grid.die_columns +
                         grid.DieColumnOf(defect.column)];
    if (defect.link) {
      ++out.dead_links;
      hops.AddToRow(std::min(defect.row, grid.mesh_rows - 1), 2);
    } else {
      dead.insert({defect.row, defect.column});
    }
  }
  out.dead_cores = static_cast<int64_t>(dead.size());
  switch (grid.granularity) {
    case Granularity::kCore:
      RepairCores(grid, dead, hops, &out);
      break;
    case Granularity::kRowOfDie:
      RepairRowsOfDies(grid, dead, hops, &out);
      break;
    case Granularity::kRowOfWafer:
      RepairRowsOfWafer(grid, dead, hops, &out);
      break;
  }
  out.enabled_cores = grid.cores() - out.switched_off;
  out.sellable = out.spares_short == 0;
  hops.Fill(&out);
  return out;
}

}  // namespace waferline::silicon
