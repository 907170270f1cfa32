// Who may own a worker, as a table of moments.
#include "wafer_backend/membership/owner_gate.h"

#include <catch2/catch.hpp>

namespace waferline::membership {
namespace {

Credentials Of(const std::string& worker, uint64_t incarnation, Fence fence) {
  return {.cell = "demo", .worker = worker, .incarnation = incarnation, .fence = fence};
}

bool Says(const absl::Status& status, const std::string& part) {
  return status.ToString().find(part) != std::string::npos;
}

TEST_CASE("a free worker takes any driver") {
  OwnerGate gate("shard");
  REQUIRE(gate.CheckDriver(Of("a", 1, {0, 0})).ok());
  REQUIRE(gate.CheckDriver(Of("a", 1, {9, 4})).ok());
  REQUIRE_FALSE(gate.CheckPeer(Of("s", 0, {0, 0})).ok());  // it works for none
}

TEST_CASE("without an election the living owner keeps the worker, whatever the generations") {
  for (const uint64_t generation : {3u, 5u, 7u}) {
    OwnerGate gate("shard");
    gate.OnDriver(Of("a", 1, {0, 5}));
    const absl::Status refused = gate.CheckDriver(Of("b", 2, {0, generation}));
    REQUIRE(absl::IsAlreadyExists(refused));
    REQUIRE(Says(refused, "driver \"a\" of cell \"demo\" owns this shard"));
    REQUIRE(Says(refused, "driver \"b\""));
    gate.OnDriverGone();
    REQUIRE(gate.CheckDriver(Of("b", 2, {0, generation})).ok());
  }
}

TEST_CASE("a driver comes back to its own worker, with the same generation or a later one") {
  OwnerGate gate("shard");
  gate.OnDriver(Of("a", 1, {0, 5}));
  REQUIRE(gate.CheckDriver(Of("a", 1, {0, 5})).ok());
  REQUIRE(gate.CheckDriver(Of("a", 1, {0, 6})).ok());
  const absl::Status late = gate.CheckDriver(Of("a", 1, {0, 4}));
  REQUIRE(absl::IsFailedPrecondition(late));
  REQUIRE(Says(late, "generation 4 of epoch 0 is over, generation 5 owns this shard"));
}

TEST_CASE("a larger fence takes over from a living owner; a smaller one is over for good") {
  OwnerGate gate("shard");
  gate.OnDriver(Of("a", 1, {7, 2}));
  REQUIRE(gate.CheckDriver(Of("b", 2, {9, 0})).ok());
  REQUIRE(gate.CheckDriver(Of("b", 2, {7, 3})).ok());
  gate.OnDriver(Of("b", 2, {9, 0}));
  for (const bool gone : {false, true}) {
    const absl::Status over = gate.CheckDriver(Of("a", 1, {7, 99}));
    REQUIRE(absl::IsFailedPrecondition(over));
    REQUIRE(Says(over, "epoch 7 is over, epoch 9 owns this shard"));
    REQUIRE(absl::IsFailedPrecondition(gate.CheckDriver(Of("c", 3, {0, 1000}))));
    if (!gone) REQUIRE(absl::IsAlreadyExists(gate.CheckDriver(Of("c", 3, {9, 0}))));
    gate.OnDriverGone();
  }
  REQUIRE(gate.CheckDriver(Of("c", 3, {9, 0})).ok());
}

TEST_CASE("peers must work for the same driver with the same fence") {
  OwnerGate gate("shard");
  gate.OnDriver(Of("a", 1, {9, 2}));
  REQUIRE(gate.CheckPeer(Of("shard-0", 1, {9, 2})).ok());
  for (const Credentials& wrong :
       {Of("shard-0", 2, {9, 2}), Of("shard-0", 1, {9, 1}), Of("shard-0", 1, {8, 2})}) {
    REQUIRE(absl::IsUnavailable(gate.CheckPeer(wrong)));
  }
  REQUIRE(Says(gate.CheckPeer(Of("shard-0", 1, {8, 5})), "epoch 8, generation 5"));
  gate.OnDriverGone();
  REQUIRE(absl::IsUnavailable(gate.CheckPeer(Of("shard-0", 1, {9, 2}))));
}

}  // namespace
}  // namespace waferline::membership
