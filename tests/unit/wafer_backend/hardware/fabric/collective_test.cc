#include "wafer_backend/hardware/fabric/collective.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "wafer_backend/hardware/silicon/hardware_file.h"
#include "wafer_backend/hardware/timing/kernel_formulas.h"

namespace waferline::fabric {
namespace {

CollectiveRun Run(const Collective& collective, const CollectiveSize& size, int threads = 1) {
  const auto run = RunCollective(collective, size, threads);
  INFO(collective.name << " grid " << size.columns << "x" << size.rows() << " length "
                       << size.length << " " << run.status());
  REQUIRE(run.ok());
  return *run;
}

TEST_CASE("every collective puts the right numbers in the right places, on any grid") {
  for (const Collective* collective : Collectives()) {
    for (const int side : {2, 3, 4, 5, 7, 8, 9, 16, 17}) {
      for (const int length : {1, 2, 3, 10, 33}) {
        INFO(collective->name << " side " << side << " length " << length);
        CHECK(Run(*collective, {side, length}).holds);
      }
    }
  }
}

TEST_CASE("the closed formulas hold within five per cent") {
  for (const Collective* collective : Collectives()) {
    for (const int side : {8, 16, 27}) {
      for (const int length : {4, 16, 64}) {
        for (const int ramp : {1, 2, 5}) {
          const CollectiveRun run = Run(*collective, {side, length, ramp});
          INFO(collective->name << " side " << side << " length " << length << " ramp " << ramp
                                << ": " << run.result.cycles << " cycles, formula "
                                << run.formula_cycles);
          CHECK(std::abs(run.formula_cycles / static_cast<double>(run.result.cycles) - 1) <= 0.05);
        }
      }
    }
  }
}

TEST_CASE("the closed formulas hold on a grid of 128 x 128") {
  for (const Collective* collective : Collectives()) {
    const bool steps = collective->name == "shift" || collective->name == "gemm-shift";
    if (steps) continue;  // 128 steps of them: below
    const CollectiveRun run = Run(*collective, {128, 12});
    INFO(collective->name << ": " << run.result.cycles << " cycles, formula "
                          << run.formula_cycles);
    CHECK(run.holds);
    CHECK(std::abs(run.formula_cycles / static_cast<double>(run.result.cycles) - 1) <= 0.05);
  }
}

// Timing's kernels with no software in them: what is left is communication and MACs.
timing::KernelModel Bare(double ramp, double mac_cycles) {
  silicon::WaferSpec wafer = *silicon::LoadHardware("wse-3")->wafer();
  wafer.ramp_cycles.value = ramp;
  timing::Profile profile;
  for (const timing::ConstantField& field : timing::ConstantFields()) {
    profile.constants.*field.value = 0;
  }
  profile.constants.mac_cycles = mac_cycles;
  profile.constants.layer_scale = 1;
  return timing::ModelFor(wafer, profile);
}

double Off(double formula, const CollectiveRun& run) {
  return std::abs(formula / static_cast<double>(run.result.cycles) - 1);
}

TEST_CASE("the kernels' communication, as predictions use it, holds within five per cent") {
  for (const int side : {4, 11, 32, 61, 128}) {
    for (const int tile : {3, 12, 36}) {
      const int ramp = side % 2 == 0 ? 2 : 4;
      if (side > 50 && tile != 3 + 9 * (side % 2)) continue;  // for time
      INFO("side " << side << " tile " << tile << " ramp " << ramp);
      const timing::KernelModel quarter = Bare(ramp, 0.25);
      const CollectiveSize size{side, tile, ramp};
      CHECK(Off(timing::GemvTreeCycles(quarter, side, tile, tile),
                Run(**FindCollective("gemv-two-phase"), size)) <= 0.05);
      CHECK(Off(timing::AllreduceCycles(quarter, side, tile) * 2,
                Run(**FindCollective("allreduce-two-phase"), size)) <= 0.05);
      // The simulator's cores take an element a cycle, a kernel's each for a hand-over.
      const double beyond = tile * 2 * quarter.line.hand_over();
      CHECK(Off(timing::GemvChainCycles(quarter, side, tile, tile) - beyond,
                Run(**FindCollective("gemv-chain"), size)) <= 0.05);
    }
  }
}

TEST_CASE("a step of the shift GEMM, communication and arithmetic, holds within five per cent") {
  for (const int side : {8, 27}) {
    for (const int tile : {4, 10}) {  // tile x tile elements, two a wavelet
      const CollectiveSize size{side, tile * tile / 2, 2};
      INFO("side " << side << " tile " << tile);
      CHECK(Off(side * timing::GemmStepCycles(Bare(2, 0), tile, tile, tile),
                Run(**FindCollective("shift"), size)) <= 0.05);
      // The collective's arithmetic is length^1.5 / 4; the same as MACs of this tile.
      const double macs = std::ceil(std::pow(size.length, 1.5) / 4) / (tile * tile * tile);
      CHECK(Off(side * timing::GemmStepCycles(Bare(2, macs), tile, tile, tile),
                Run(**FindCollective("gemm-shift"), size)) <= 0.05);
    }
  }
}

// Minutes under a sanitizer, which has seen all of its code on smaller grids.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("a GEMV with its allreduce on a whole wafer's grid holds within five per cent") {
  const silicon::WaferSpec wafer = *silicon::LoadHardware("wse-3")->wafer();
  const CollectiveSize size{static_cast<int>(wafer.grid_columns.value), 4, 2,
                            static_cast<int>(wafer.grid_rows.value)};
  REQUIRE(size.tiles() == 762 * 1172);
  const CollectiveRun run = Run(**FindCollective("gemv-two-phase"), size, 2);
  CHECK(run.holds);
  CHECK(Off(run.formula_cycles, run) <= 0.05);
}

TEST_CASE("a shift GEMM on 128 x 128 cores, all of its steps, holds within five per cent") {
  const int side = 128, tile = 2;
  const CollectiveRun run = Run(**FindCollective("gemm-shift"), {side, tile * tile / 2, 2});
  CHECK(run.holds);
  const double macs = std::ceil(std::pow(tile * tile / 2, 1.5) / 4) / (tile * tile * tile);
  CHECK(Off(side * timing::GemmStepCycles(Bare(2, macs), tile, tile, tile), run) <= 0.05);
}
#endif

TEST_CASE("a run repeats itself to the last hop, on any number of threads") {
  for (const Collective* collective : Collectives()) {
    const CollectiveRun once = Run(*collective, {70, 9});
    for (const int threads : {1, 2, 3, 100}) {
      const CollectiveRun again = Run(*collective, {70, 9}, threads);
      INFO(collective->name << " on " << threads << " threads");
      CHECK(again.holds);
      CHECK(once.result.cycles == again.result.cycles);
      CHECK(once.result.wavelet_hops == again.result.wavelet_hops);
      CHECK(once.result.wavelets_taken == again.result.wavelets_taken);
    }
  }
}

TEST_CASE("on a grid that is not square rows and columns keep their own lengths") {
  for (const Collective* collective : Collectives()) {
    for (const auto& [columns, rows] : {std::pair(7, 30), {30, 7}, {2, 100}, {3, 40}, {40, 3}}) {
      const CollectiveSize size{columns, 8, 2, rows};
      if (collective->square) {
        CHECK(RunCollective(*collective, size).status().message().find("must be square") !=
              std::string::npos);
        continue;
      }
      const CollectiveRun run = Run(*collective, size, 2);
      INFO(collective->name << " on " << columns << "x" << rows << ": " << run.result.cycles
                            << " cycles, formula " << run.formula_cycles);
      CHECK(run.holds);
      CHECK(std::abs(run.formula_cycles / static_cast<double>(run.result.cycles) - 1) <= 0.05);
    }
  }
}

TEST_CASE("energy: no collective can do with fewer hops than its data must travel") {
  const int side = 16, length = 10;
  // A vector from each core of a row has to meet the others: side - 1 links a row, at least once.
  const int64_t row = int64_t{1} * (side - 1) * length;
  CHECK(Run(**FindCollective("reduce-chain"), {side, length}).result.wavelet_hops == side * row);
  CHECK(Run(**FindCollective("broadcast"), {side, length}).result.wavelet_hops == row * (side + 1));
  CHECK(Run(**FindCollective("reduce-star"), {side, length}).result.wavelet_hops ==
        int64_t{1} * side * length * side * (side - 1) / 2);
  CHECK(Run(**FindCollective("allreduce-chain"), {side, length}).result.wavelet_hops ==
        4 * side * row);
}

TEST_CASE("on long rows the K-tree beats the chain for short vectors, the chain for long ones") {
  const Collective& chain = **FindCollective("reduce-chain");
  const Collective& tree = **FindCollective("reduce-two-phase");
  CHECK(Run(tree, {100, 4}).result.cycles < Run(chain, {100, 4}).result.cycles / 2);
  CHECK(Run(tree, {10, 2000}).result.cycles > Run(chain, {10, 2000}).result.cycles);
}

TEST_CASE("names and sizes that cannot be are refused") {
  CHECK(FindCollective("no-such").status().code() == absl::StatusCode::kNotFound);
  const Collective& chain = **FindCollective("reduce-chain");
  for (const CollectiveSize& bad :
       {CollectiveSize{1, 4}, CollectiveSize{0, 4}, CollectiveSize{-4, 4}, CollectiveSize{2049, 4},
        CollectiveSize{4, 4, 2, 1}, CollectiveSize{4, 4, 2, 2049}, CollectiveSize{4, 0},
        CollectiveSize{4, -1}, CollectiveSize{4, 65537}, CollectiveSize{4, 4, 0},
        CollectiveSize{4, 4, 100}, CollectiveSize{1024, 65536}}) {
    CHECK(RunCollective(chain, bad).status().code() == absl::StatusCode::kInvalidArgument);
  }
  CHECK(RunCollective(chain, {.columns = 1, .length = 4, .row_count = 100}).status().message() ==
        "grid is 1x100, its columns must lie in [2, 2048]");
  CHECK(RunCollective(chain, {.columns = 100, .length = 4, .row_count = 2049}).status().message() ==
        "grid is 100x2049, its rows must lie in [2, 2048]");
}

}  // namespace
}  // namespace waferline::fabric
