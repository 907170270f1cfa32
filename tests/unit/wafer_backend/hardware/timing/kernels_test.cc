#include "wafer_backend/hardware/timing/kernels.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "wafer_backend/base/strings.h"
#include "wafer_backend/hardware/silicon/hardware_file.h"
#include "wafer_backend/hardware/timing/kernel_formulas.h"
#include "wafer_backend/hardware/timing/profile_file.h"

namespace waferline::timing {
namespace {

struct Bench {
  silicon::Hardware wse3 = *silicon::LoadHardware("wse-3");
  silicon::Hardware wse2 = *silicon::LoadHardware("wse-2");
  Profile open = *LoadProfile("open");
  double Cycles(const KernelSize& size) const {
    const auto cycles = KernelCycles(*wse3.wafer(), open, size);
    INFO(cycles.status());
    REQUIRE(cycles.ok());
    return *cycles;
  }
};

TEST_CASE("more work never takes fewer cycles") {
  const Bench b;
  for (int64_t grid : {2, 17, 120, 360, 719, 762}) {
    for (int64_t tile = 1; tile < 50; ++tile) {
      const int64_t n = grid * tile;
      for (const Allreduce a : {Allreduce::kTree, Allreduce::kChain}) {
        CHECK(b.Cycles(GemvSize{a, grid, n + grid, n}) > b.Cycles(GemvSize{a, grid, n, n}));
        CHECK(b.Cycles(GemvSize{a, grid, n, n + grid}) > b.Cycles(GemvSize{a, grid, n, n}));
      }
      CHECK(b.Cycles(GemmSize{grid, n + grid}) > b.Cycles(GemmSize{grid, n}));
      CHECK(b.Cycles(DecodeLayerSize{grid, tile, tile, tile + 1}) >
            b.Cycles(DecodeLayerSize{grid, tile, tile, tile}));
      CHECK(b.Cycles(PrefillLayerSize{grid, n, n, n + grid}) >
            b.Cycles(PrefillLayerSize{grid, n, n, n}));
    }
  }
}

TEST_CASE("the smallest grids, and products that are not square, cost something sensible") {
  const Bench b;
  for (int64_t grid : {1, 2, 3, 5}) {
    for (const Allreduce a : {Allreduce::kTree, Allreduce::kChain}) {
      const double one = b.Cycles(GemvSize{a, grid, 1, 1});
      CHECK(one > 0);
      CHECK(b.Cycles(GemvSize{a, grid, grid, grid}) == one);  // m < P: padded
      CHECK(b.Cycles(GemvSize{a, grid, 20 * grid, 2 * grid}) > one);
      // A sum costs more than an input: the longer output is the dearer one.
      CHECK(b.Cycles(GemvSize{a, grid, 2 * grid, 20 * grid}) >=
            b.Cycles(GemvSize{a, grid, 20 * grid, 2 * grid}));
    }
    CHECK(b.Cycles(GemmSize{grid, 1}) > 0);
    CHECK(b.Cycles(DecodeLayerSize{grid, 1, 1, 1}) > 0);
    CHECK(b.Cycles(PrefillLayerSize{grid, 1, 1, 1}) > 0);
  }
}

TEST_CASE("a machine of half the lanes takes twice the MACs and no less elsewhere unmeasured") {
  const Bench b;
  silicon::WaferSpec half = *b.wse3.wafer();
  half.simd_fp16_lanes.value = 5;  // no machine: only its lanes differ
  const KernelModel whole = ModelFor(*b.wse3.wafer(), b.open), narrow = ModelFor(half, b.open);
  CHECK(narrow.mac_cycles == Approx(whole.mac_cycles * 8 / 5));
  CHECK(narrow.instruction_scale == 1);
  CHECK(ModelFor(*b.wse2.wafer(), b.open).mac_cycles == Approx(2 * whole.mac_cycles));
}

TEST_CASE("the chain loses to the tree, and by more cycles on a larger grid") {
  const Bench b;
  double last = 0;
  for (int64_t grid = 60; grid <= 720; grid += 60) {
    const double more = b.Cycles(GemvSize{Allreduce::kChain, grid, grid * 8, grid * 8}) -
                        b.Cycles(GemvSize{Allreduce::kTree, grid, grid * 8, grid * 8});
    CHECK(more > last);
    last = more;
  }
}

TEST_CASE("a size that does not divide costs what the padded one costs") {
  const Bench b;
  CHECK(b.Cycles(GemvSize{Allreduce::kTree, 100, 901, 950}) ==
        b.Cycles(GemvSize{Allreduce::kTree, 100, 1000, 1000}));
  CHECK(b.Cycles(GemmSize{100, 901}) == b.Cycles(GemmSize{100, 1000}));
}

TEST_CASE("cycles do not know the clock") {
  const Bench b;
  const auto fast = silicon::LoadHardware("wse-3-2x");
  const DecodeLayerSize size{400, 10, 30, 10};
  CHECK(*KernelCycles(*fast->wafer(), b.open, size) == b.Cycles(size));
}

TEST_CASE("the tuned side is the best of all sides") {
  const Bench b;
  const KernelModel m = ModelFor(*b.wse3.wafer(), b.open);
  for (const double macs : {1e6, 2e8, 9e8, 2e10}) {
    const double width = std::sqrt(macs);
    const WholeWork whole = {macs, 2 * width, 2 * width, 10, 4};
    const double tuned = std::floor(std::min(FastestSide(m, whole), 762.0));
    const auto cost = [&](double side) {
      return DecodeLayerCost(m, side, WorkOn(whole, side)).total();
    };
    // Whole groups of the tree make steps of about a per cent, which the tuning does not see.
    for (double side = 1; side <= 762; ++side) CHECK(cost(tuned) <= cost(side) * 1.01);
  }
  CHECK(FastestSide(m, {1, 1, 1, 10, 4}) == 1);
}

TEST_CASE("sizes that cannot be are refused by name") {
  const Bench b;
  const auto refused = [&](const KernelSize& size, const char* word) {
    const auto cycles = KernelCycles(*b.wse3.wafer(), b.open, size);
    REQUIRE(cycles.status().code() == absl::StatusCode::kInvalidArgument);
    INFO(cycles.status());
    CHECK(Std(cycles.status().message()).find(word) != std::string_view::npos);
  };
  constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
  constexpr int64_t kTiny = std::numeric_limits<int64_t>::min();
  for (const int64_t bad : {int64_t{0}, int64_t{-1}, kTiny, kHuge}) {
    refused(GemvSize{Allreduce::kTree, bad, 100, 100}, "grid");
    refused(GemvSize{Allreduce::kTree, 100, bad, 100}, "m is");
    refused(GemvSize{Allreduce::kChain, 100, 100, bad}, "n is");
    refused(GemmSize{100, bad}, "size is");
    refused(DecodeLayerSize{100, bad, 1, 1}, "d is");
    refused(DecodeLayerSize{100, 1, bad, 1}, "ffn is");
    refused(DecodeLayerSize{100, 1, 1, bad}, "seq is");
    refused(PrefillLayerSize{100, bad, 1, 1}, "hidden is");
    refused(PrefillLayerSize{100, 1, 1, bad}, "tokens is");
  }
  refused(GemvSize{Allreduce::kTree, 763, 7630, 7630}, "mesh is 762 x 1172");
  refused(GemvSize{Allreduce::kTree, 10, 2000, 2000}, "SRAM");
  refused(GemmSize{10, 2000}, "SRAM");
  refused(DecodeLayerSize{10, 200, 1, 1}, "SRAM");
  refused(PrefillLayerSize{10, 2000, 2000, 2000}, "SRAM");
  CHECK_FALSE(TransitionCycles(*b.wse3.wafer(), 0, Bytes(1)).ok());
  CHECK_FALSE(KvShiftCycles(*b.wse3.wafer(), Bytes(-5)).ok());
}

TEST_CASE("moving bytes takes at least what the links allow") {
  const Bench b;
  const silicon::WaferSpec& w = *b.wse3.wafer();
  CHECK(*KvShiftCycles(w, Bytes(4000)) == 1000 + 1 + 4);
  CHECK(*TransitionCycles(w, 100, Bytes(4000)) == 50000 + 100 + 4);
}

}  // namespace
}  // namespace waferline::timing
