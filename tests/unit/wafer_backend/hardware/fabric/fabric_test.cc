#include "wafer_backend/hardware/fabric/fabric.h"

#include <catch2/catch.hpp>
#include <numeric>

namespace waferline::fabric {
namespace {

using Kind = Operation::Kind;

Fabric Make(int columns, int rows, int words) {
  auto fabric = Fabric::Create({columns, rows, words, 2});
  REQUIRE(fabric.ok());
  return *std::move(fabric);
}

TEST_CASE("one wavelet, one link: operation, ramp, hop, ramp") {
  Fabric fabric = Make(2, 1, 1);
  fabric.memory(0)[0] = 42;
  fabric.Route(0, 3, kRamp, kEast);
  fabric.Route(1, 3, kWest, kRamp);
  fabric.SetProgram(0, {{{{Kind::kSend, 0, 3, 0, 1}}}, 1});
  fabric.SetProgram(1, {{{{Kind::kReceive, 3, 0, 0, 1}}}, 1});
  const auto result = fabric.Run();
  REQUIRE(result.ok());
  CHECK(fabric.memory(1)[0] == 42);
  CHECK(result->wavelet_hops == 1);
  CHECK(result->wavelets_sent == 1);
  CHECK(result->wavelets_taken == 1);
  // The send's cycle, two on the ramp, one hop, two on the ramp, and the cycle that takes it.
  CHECK(result->cycles == 1 + 2 + 1 + 2 + 1);
}

TEST_CASE("a link carries one wavelet a cycle: two streams share it fairly or wait, none is lost") {
  // Cores 0 and 1 both send to core 2 over the link 1-2, on two colours.
  const int length = 100;
  Fabric fabric = Make(3, 1, 2 * length);
  for (int colour : {0, 1}) {
    const int from = colour;
    fabric.Route(from, colour, kRamp, kEast);
    if (from == 0) fabric.Route(1, colour, kWest, kEast);
    fabric.Route(2, colour, kWest, kRamp);
    std::iota(fabric.memory(from).begin(), fabric.memory(from).end(), 1000u * from);
    fabric.SetProgram(from, {{{{Kind::kSend, 0, static_cast<uint8_t>(colour), 0, length}}}, 1});
  }
  fabric.SetProgram(
      2, {{{{Kind::kReceive, 0, 0, 0, length}, {Kind::kReceive, 1, 0, length, length}}}, 1});
  const auto result = fabric.Run();
  REQUIRE(result.ok());
  CHECK(result->cycles >= 2 * length);
  CHECK(result->cycles <= 2 * length + 20);
  CHECK(result->in_flight == 0);
  for (int i = 0; i < length; ++i) {
    CHECK(fabric.memory(2)[static_cast<size_t>(i)] == static_cast<uint32_t>(i));
    CHECK(fabric.memory(2)[static_cast<size_t>(length + i)] == static_cast<uint32_t>(1000 + i));
  }
}

TEST_CASE("back-pressure: a receiver that is busy stops the sender, and nothing overflows") {
  const int length = 200;
  Fabric fabric = Make(5, 1, length);
  std::iota(fabric.memory(0).begin(), fabric.memory(0).end(), 7u);
  for (int i = 0; i < 5; ++i) {
    fabric.Route(i, 0, i == 0 ? kRamp : kWest, i == 4 ? kRamp : kEast);
  }
  fabric.SetProgram(0, {{{{Kind::kSend, 0, 0, 0, length}}}, 1});
  fabric.SetProgram(4,
                    {{{{Kind::kCompute, 0, 0, 0, 1000}}, {{Kind::kReceive, 0, 0, 0, length}}}, 1});
  const auto result = fabric.Run();
  REQUIRE(result.ok());
  CHECK(result->cycles >= 1000 + length);
  CHECK(result->cycles <= 1000 + length + 30);
  CHECK(fabric.memory(4)[199] == 206);
}

TEST_CASE("multicast costs a hop a link and reaches everyone once") {
  Fabric fabric = Make(1, 6, 3);
  for (int i = 0; i < 6; ++i) {
    fabric.Route(i, 0, i == 0 ? kRamp : kNorth,
                 i == 0   ? uint8_t{kSouth}
                 : i == 5 ? uint8_t{kRamp}
                          : uint8_t{kRamp | kSouth});
    fabric.SetProgram(i, {{{{i == 0 ? Kind::kSend : Kind::kReceive, 0, 0, 0, 3}}}, 1});
  }
  const auto result = fabric.Run();
  REQUIRE(result.ok());
  CHECK(result->wavelet_hops == 5 * 3);
  CHECK(result->wavelets_sent == 3);
  CHECK(result->wavelets_taken == 5 * 3);
}

TEST_CASE("what no core takes is counted as under way") {
  Fabric fabric = Make(3, 1, 4);
  fabric.Route(0, 0, kRamp, kEast);
  fabric.Route(1, 0, kWest, kEast);
  fabric.Route(2, 0, kWest, kRamp);
  fabric.SetProgram(0, {{{{Kind::kSend, 0, 0, 0, 4}}}, 1});
  fabric.SetProgram(2, {{{{Kind::kReceive, 0, 0, 0, 1}}}, 1});
  const auto result = fabric.Run();
  REQUIRE(result.ok());
  CHECK(result->wavelets_taken == 1);
  CHECK(result->in_flight == result->wavelets_sent - 1);
}

TEST_CASE("streams from two sides share one colour's way: all arrive, taking turns") {
  const int length = 50;
  Fabric fabric = Make(3, 2, 2 * length);
  // Into the middle from west and east, down to the core below it.
  fabric.Route(0, 0, kRamp, kEast);
  fabric.Route(2, 0, kRamp, kWest);
  fabric.Route(1, 0, kWest | kEast, kSouth);
  fabric.Route(4, 0, kNorth, kRamp);
  for (const int from : {0, 2}) {
    std::iota(fabric.memory(from).begin(), fabric.memory(from).end(), 1u);
    fabric.SetProgram(from, {{{{Kind::kSend, 0, 0, 0, length}}}, 1});
  }
  fabric.SetProgram(4, {{{{Kind::kAdd, 0, 0, 0, 2 * length}}}, 1});
  const auto result = fabric.Run();
  REQUIRE(result.ok());
  CHECK(result->in_flight == 0);
  CHECK(result->cycles >= 2 * length);
  CHECK(result->cycles <= 2 * length + 20);
  for (int i = 0; i < length; ++i) {
    CHECK(fabric.memory(4)[static_cast<size_t>(i)] == static_cast<uint32_t>(2 * (i + 1)));
  }
}

TEST_CASE("a missing route or a receiver without a sender is reported, not waited for") {
  Fabric off_grid = Make(2, 1, 9);
  off_grid.Route(1, 0, kRamp, kEast);
  off_grid.SetProgram(1, {{{{Kind::kSend, 0, 0, 0, 9}}}, 1});
  // Nobody needs the wavelets: the core finishes when its ramp has taken them, or is stuck.
  off_grid.SetProgram(0, {{{{Kind::kReceive, 5, 0, 0, 1}}}, 1});
  CHECK(off_grid.Run().status().code() == absl::StatusCode::kFailedPrecondition);
  Fabric slow = Make(1, 1, 1);
  slow.SetProgram(0, {{{{Kind::kCompute, 0, 0, 0, 100}}}, 1});
  CHECK(slow.Run({.max_cycles = 50}).status().code() == absl::StatusCode::kResourceExhausted);
  CHECK(slow.Run({.max_cycles = 500})->cycles == 100);
}

}  // namespace
}  // namespace waferline::fabric
