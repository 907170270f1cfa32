#include "wafer_backend/hardware/silicon/repair.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/hardware/silicon/hardware_file.h"
#include "wafer_backend/hardware/silicon/wafer_yield.h"

namespace waferline::silicon {
namespace {

constexpr uint64_t kSeed = 11;
constexpr Granularity kAll[] = {Granularity::kCore, Granularity::kRowOfDie,
                                Granularity::kRowOfWafer};

WaferSpec Wse3() { return *LoadHardware("wse-3")->wafer(); }

CoreGrid GridOf(Granularity granularity) { return *CoreGrid::Of(Wse3(), granularity); }

TEST_CASE("dies and spares add up to the wafer, however the reticle divides it") {
  for (Granularity granularity : kAll) {
    const CoreGrid grid = GridOf(granularity);
    CAPTURE(static_cast<int>(granularity), grid.columns, grid.rows);
    int spare_rows = 0, spare_cores = 0;
    for (int die = 0; die < grid.die_rows; ++die) spare_rows += grid.SpareRowsOf(die);
    for (int die = 0; die < grid.die_columns; ++die) spare_cores += grid.SpareCoresOf(die);
    REQUIRE(spare_rows == grid.rows - grid.mesh_rows);
    REQUIRE(spare_cores == grid.columns - grid.mesh_columns);
    REQUIRE(grid.cores() <= 970000);
    REQUIRE(970000 - grid.cores() < std::max(grid.columns, grid.rows));
    for (int row = 0; row < grid.rows; ++row) {
      const int die = grid.DieRowOf(row);
      REQUIRE((grid.RowBegin(die) <= row && row < grid.RowBegin(die + 1)));
    }
    for (int column = 0; column < grid.columns; ++column) {
      const int die = grid.DieColumnOf(column);
      REQUIRE((grid.ColumnBegin(die) <= column && column < grid.ColumnBegin(die + 1)));
    }
  }
}

TEST_CASE("a wafer without defects is whole and adds no hop") {
  for (Granularity granularity : kAll) {
    const CoreGrid grid = GridOf(granularity);
    const RepairedWafer wafer = Repair(grid, {});
    REQUIRE(wafer.sellable);
    REQUIRE(wafer.enabled_cores == grid.cores());
    REQUIRE(wafer.row_extra_hops_max == 0);
    REQUIRE(wafer.column_extra_hops_max == 0);
  }
}

TEST_CASE("one dead core costs its unit of repair and the hops that cross it") {
  const Defect defect{.column = 5, .row = 7};
  {
    const RepairedWafer wafer = Repair(GridOf(Granularity::kCore), {defect});
    REQUIRE(wafer.switched_off == 1);
    REQUIRE(wafer.row_extra_hops_max == 1);
    REQUIRE(wafer.column_extra_hops_max == 2);  // into the shifted row and out of it
  }
  {
    const CoreGrid grid = GridOf(Granularity::kRowOfDie);
    const RepairedWafer wafer = Repair(grid, {defect});
    REQUIRE(wafer.switched_off == grid.ColumnBegin(1));
    REQUIRE(wafer.column_extra_hops_max == 1);
    REQUIRE(wafer.row_extra_hops_max == 1);  // at the border to the next die, below the dead row
    const int mesh_rows_below = grid.mesh_rows / grid.die_rows - defect.row;
    REQUIRE(wafer.row_extra_hops_mean == Approx(1.0 * mesh_rows_below / grid.mesh_rows));
  }
  {
    const CoreGrid grid = GridOf(Granularity::kRowOfWafer);
    const RepairedWafer wafer = Repair(grid, {defect});
    REQUIRE(wafer.switched_off == grid.columns);
    REQUIRE(wafer.column_extra_hops_mean == 1);
    REQUIRE(wafer.row_extra_hops_max == 0);
  }
}

TEST_CASE("a dead link keeps its core and costs a detour") {
  const RepairedWafer wafer =
      Repair(GridOf(Granularity::kRowOfDie), {{.column = 1, .row = 1, .link = true}});
  REQUIRE(wafer.switched_off == 0);
  REQUIRE(wafer.dead_links == 1);
  REQUIRE(wafer.row_extra_hops_max == 2);
}

TEST_CASE("spares suffice up to their number and not beyond it") {
  for (Granularity granularity : kAll) {
    const CoreGrid grid = GridOf(granularity);
    const int spares = granularity == Granularity::kCore       ? grid.SpareCoresOf(0)
                       : granularity == Granularity::kRowOfDie ? grid.SpareRowsOf(0)
                                                               : grid.spare_rows();
    std::vector<Defect> defects;
    for (int i = 0; i <= spares; ++i) {
      if (granularity == Granularity::kCore) {
        defects.push_back({.column = i, .row = 0});
      } else {
        defects.push_back({.column = 0, .row = i});
      }
      CAPTURE(static_cast<int>(granularity), i, spares);
      const RepairedWafer wafer = Repair(grid, defects);
      REQUIRE(wafer.sellable == (i < spares));
      REQUIRE(wafer.enabled_cores + wafer.switched_off == grid.cores());
    }
  }
}

TEST_CASE("counts have the mean and the variance of their law") {
  CAPTURE(kSeed);
  const CoreGrid grid = GridOf(Granularity::kRowOfDie);
  constexpr double kArea = 46225, kPerMm2 = 0.001;
  for (double alpha : {0.0, 0.5, 2.0}) {
    CAPTURE(alpha);
    const DefectLaw law{.per_mm2 = kPerMm2, .clustering = alpha};
    double sum = 0, squares = 0;
    constexpr int kWafers = 20000;
    for (int i = 0; i < kWafers; ++i) {
      const auto n =
          static_cast<double>(DrawDefects(grid, kArea, law, SeededStream(kSeed).Fork(i)).size());
      sum += n;
      squares += n * n;
    }
    const double mean = sum / kWafers, variance = squares / kWafers - mean * mean;
    const double die = kPerMm2 * kArea / grid.dies();
    const double expected = grid.dies() * (alpha > 0 ? die + die * die / alpha : die);
    REQUIRE(mean == Approx(kPerMm2 * kArea).epsilon(0.01));
    REQUIRE(variance == Approx(expected).epsilon(0.05));
  }
}

TEST_CASE("without redundancy the drawn yield is the closed form's") {
  CAPTURE(kSeed);
  for (double alpha : {0.0, 2.0}) {
    const DefectLaw law{.per_mm2 = 2e-5, .clustering = alpha};
    const auto study =
        StudyYield(Wse3(), {20000, Granularity::kRowOfDie, law, SeededStream(kSeed)});
    REQUIRE(study.ok());
    REQUIRE(study->perfect == Approx(study->perfect_closed_form).margin(0.01));
  }
  const auto real = StudyYield(
      Wse3(), {100, Granularity::kRowOfDie, DefectLawOf(Wse3(), false), SeededStream(kSeed)});
  REQUIRE(std::log(real->perfect_closed_form) == Approx(-46.225));
}

TEST_CASE("more defects never sell more wafers, and a study repeats itself") {
  CAPTURE(kSeed);
  for (Granularity granularity : kAll) {
    double before = 1;
    for (double density : {0.0005, 0.001, 0.002, 0.004, 0.008}) {
      const DefectLaw law{.per_mm2 = density, .clustering = 2};
      const auto study = StudyYield(Wse3(), {300, granularity, law, SeededStream(kSeed)});
      const auto again = StudyYield(Wse3(), {300, granularity, law, SeededStream(kSeed)});
      REQUIRE(study->sellable <= before + 0.02);
      REQUIRE(study->sellable == again->sellable);
      REQUIRE(study->defects_mean == again->defects_mean);
      REQUIRE(std::accumulate(study->defects_histogram.begin(), study->defects_histogram.end(),
                              int64_t{0}) == 300);
      before = study->sellable;
    }
  }
}

TEST_CASE("impossible studies are refused by name") {
  WaferSpec wafer = Wse3();
  REQUIRE_FALSE(StudyYield(wafer, {0, Granularity::kCore, {}, SeededStream(1)}).ok());
  wafer.cores_physical.value = 1000;
  const auto status = CoreGrid::Of(wafer, Granularity::kCore).status();
  REQUIRE(std::string(status.message()).find("cores_physical") != std::string::npos);
  REQUIRE_FALSE(ParseGranularity("atom").ok());
}

}  // namespace
}  // namespace waferline::silicon
