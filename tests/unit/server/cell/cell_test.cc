#include <catch2/catch.hpp>

#include "server/cell/chain_claim.h"
#include "server/cell/leadership.h"
#include "tests/support/fake_registry.h"

namespace waferline::cell {
namespace {

using membership::FakeRegistry;
using membership::FakeStore;

TEST_CASE("One of two front ends leads; the other one does when its lease has ended") {
  FakeStore store;
  FakeRegistry at_a(&store), at_b(&store);
  Leadership a(&at_a, "demo", {.id = "a", .http = "a:80"});
  Leadership b(&at_b, "demo", {.id = "b", .http = "b:80"});
  REQUIRE(a.leading());
  REQUIRE_FALSE(b.leading());
  CHECK(b.LeaderHttp() == "a:80");
  const uint64_t first = a.epoch();

  // Cut off from the registry it leads on: nothing that it sees says otherwise.
  at_a.cut_off = true;
  store.Expire(at_a);
  at_b.Look();
  CHECK(b.leading());
  CHECK(b.epoch() > first);
  CHECK(a.leading());
  CHECK(a.epoch() == first);

  // Back again it sees who outranked it, and stands by once its own work has ended.
  at_a.cut_off = false;
  at_a.Look();
  CHECK(a.outranked());
  a.StandBy();
  CHECK_FALSE(a.leading());
  CHECK_FALSE(a.outranked());
  CHECK(a.LeaderHttp() == "b:80");
}

TEST_CASE("A leadership that the registry lost is taken again, with a larger epoch") {
  FakeStore store;
  FakeRegistry at_a(&store);
  Leadership a(&at_a, "demo", {.id = "a"});
  const uint64_t first = a.epoch();
  store.Expire(at_a);
  at_a.Look();
  CHECK(a.leading());
  CHECK(a.epoch() > first);
}

TEST_CASE("A registry that was restored from a backup cannot make a forgotten epoch count again") {
  FakeStore store;
  FakeRegistry at_a(&store), at_b(&store);
  Leadership a(&at_a, "demo", {.id = "a"});
  Leadership b(&at_b, "demo", {.id = "b"});
  const membership::Snapshot backup = store.state;  // a leads
  store.Expire(at_a);
  at_b.Look();
  at_a.Look();
  REQUIRE(a.outranked());
  a.StandBy();
  const uint64_t newest = b.epoch();

  store.state = backup;
  at_b.Look();
  CHECK(b.leading());  // an older epoch outranks nothing
  CHECK(b.epoch() == newest);
  at_a.Look();
  CHECK(a.leading());
  CHECK(a.epoch() > newest);
  at_b.Look();
  CHECK(b.outranked());
}

membership::Worker Listed(const std::string& id, membership::Role role) {
  return {.id = id, .incarnation = 1, .role = role, .endpoint = id + ":1", .fingerprint = 7};
}

TEST_CASE("Two cells claim workers apart; what a cell claimed in vain is free again") {
  FakeStore store;
  FakeRegistry at_a(&store), at_b(&store);
  for (const char* id : {"p0", "p1"}) at_a.Announce(Listed(id, membership::Role::kPrefill));
  for (const char* id : {"w0", "w1", "w2"}) at_a.Announce(Listed(id, membership::Role::kShard));
  const Leadership a(&at_a, "a", {.id = "fa"});
  const Leadership b(&at_b, "b", {.id = "fb"});
  const membership::ChainWish wish{.cell = "a", .fingerprint = 7, .layers = 4, .shards = 2};
  at_b.Look();

  auto chain = ClaimChains(&at_a, wish, a.epoch());
  REQUIRE(chain.ok());
  CHECK((*chain)[0].prefill[0].id == "p0");
  CHECK((*chain)[0].shards[1].worker.id == "w1");
  // The other cell's view is older: it wants p0 too, is refused, and leaves nothing claimed.
  membership::ChainWish other = wish;
  other.cell = "b";
  const auto before = store.state.claims;
  CHECK(absl::IsUnavailable(ClaimChains(&at_b, other, b.epoch()).status()));
  CHECK(store.state.claims == before);
  // With a current view two shards are too many, one is there.
  at_b.Look();
  CHECK(absl::IsUnavailable(ClaimChains(&at_b, other, b.epoch()).status()));
  other.shards = 1;
  chain = ClaimChains(&at_b, other, b.epoch());
  REQUIRE(chain.ok());
  CHECK((*chain)[0].prefill[0].id == "p1");
  CHECK((*chain)[0].shards[0].worker.id == "w2");
  // The registry lost the leadership and its claims: the same workers are claimed for the new one.
  auto again = ClaimChains(&at_a, wish, a.epoch());
  REQUIRE(again.ok());
  store.Expire(at_a);
  at_a.Look();
  CHECK_FALSE(store.state.claims.contains("w0"));
  const membership::Claim by_a{"a", a.epoch()};
  CHECK(KeepClaimed(&at_a, *again, {"a", a.epoch()}).ok());
  CHECK(store.state.claims.at("w0") == by_a);
  // So is one whose claim alone is gone, next to a worker that is listed no more.
  store.state.workers.erase("w1");
  store.state.claims.erase("w0");
  at_a.Look();
  CHECK(KeepClaimed(&at_a, *again, {"a", a.epoch()}).ok());
  CHECK(store.state.claims.at("w0") == by_a);
  // Another cell's claim stays.
  store.state.claims["w0"] = {"b", b.epoch()};
  at_a.Look();
  CHECK(absl::IsUnavailable(KeepClaimed(&at_a, *again, {"a", a.epoch()})));
  // A worker that has served a later epoch since is left to a cell with a larger one.
  store.state.claims.erase("w0");
  store.state.workers.at("w0").epoch = a.epoch() + 1;
  at_a.Look();
  CHECK(absl::IsUnavailable(KeepClaimed(&at_a, *again, {"a", a.epoch()})));
  CHECK_FALSE(store.state.claims.contains("w0"));
  // A leadership that is over claims nothing.
  CHECK(absl::IsUnavailable(ClaimChains(&at_b, other, b.epoch() - 1).status()));
}

TEST_CASE("A chain for which there are no workers yet is claimed when they are there") {
  FakeStore store;
  FakeRegistry at_a(&store);
  at_a.Announce(Listed("p0", membership::Role::kPrefill));
  for (const char* id : {"w0", "w1"}) at_a.Announce(Listed(id, membership::Role::kShard));
  const Leadership a(&at_a, "a", {.id = "fa"});
  const membership::ChainWish wish{
      .cell = "a", .fingerprint = 7, .layers = 4, .shards = 2, .chains = 2};
  const membership::Registry::Claimed by{"a", a.epoch()};
  at_a.Look();
  const auto first = ClaimChains(&at_a, wish, a.epoch());
  REQUIRE(first.ok());
  REQUIRE(first->size() == 1);
  const std::vector<std::string> busy = {"p0:1", "w0:1", "w1:1", "w2:1"};  // w2 is a standby
  for (const char* id : {"w2", "w3", "w4"}) at_a.Announce(Listed(id, membership::Role::kShard));
  at_a.Look();
  CHECK(absl::IsUnavailable(ClaimOneMore(&at_a, wish, busy, by).status()));  // no prefill worker
  CHECK_FALSE(store.state.claims.contains("w3"));
  at_a.Announce(Listed("p1", membership::Role::kPrefill));
  at_a.Look();
  const auto more = ClaimOneMore(&at_a, wish, busy, by);
  REQUIRE(more.ok());
  CHECK(more->prefill[0].id == "p1");
  CHECK(more->shards[1].worker.id == "w4");
  CHECK(store.state.claims.contains("w3"));
  ReleaseChain(&at_a, *more, by);
  CHECK_FALSE(store.state.claims.contains("w3"));
}

TEST_CASE("A leader that knows nothing of forgotten epochs learns them from workers") {
  FakeStore store;
  FakeRegistry at_a(&store);
  at_a.Announce(Listed("p", membership::Role::kPrefill));
  auto shard = Listed("w", membership::Role::kShard);
  shard.epoch = 90;
  at_a.Announce(shard);
  Leadership a(&at_a, "a", {.id = "fa"});
  const membership::ChainWish wish{.cell = "a", .fingerprint = 7, .layers = 4, .shards = 1};
  auto chains = ClaimChains(&at_a, wish, a.epoch());
  REQUIRE(chains.ok());
  REQUIRE(a.epoch() < 90);
  REQUIRE(LargestEpoch(*chains) == 90);
  a.RaiseAbove(LargestEpoch(*chains));
  CHECK(a.leading());
  CHECK(a.epoch() == 91);
  REQUIRE(ClaimChains(&at_a, wish, a.epoch()).ok());
  CHECK(store.state.claims.at("w") == membership::Claim{"a", 91});
}

TEST_CASE("A cell whose workers another one took and left has them back with a larger epoch") {
  FakeStore store;
  FakeRegistry at_a(&store), at_b(&store);
  at_a.Announce(Listed("p", membership::Role::kPrefill));
  at_a.Announce(Listed("w", membership::Role::kShard));
  Leadership a(&at_a, "a", {.id = "fa"});
  Leadership b(&at_b, "b", {.id = "fb"});
  membership::ChainWish wish{.cell = "a", .fingerprint = 7, .layers = 4, .shards = 1};
  const auto claimed = ClaimChains(&at_a, wish, a.epoch());
  REQUIRE(claimed.ok());
  const std::vector<std::string> used = {"p:1", "w:1"};
  const uint64_t served = a.epoch();
  const auto keep = [&] {
    at_a.Look();
    return KeepClaimed(&at_a, *claimed, {"a", a.epoch()});
  };

  // An operator deletes the claims; the other cell is faster, and the workers serve it.
  store.state.claims.clear();
  at_b.Look();
  wish.cell = "b";
  REQUIRE(ClaimChains(&at_b, wish, b.epoch()).ok());
  REQUIRE(b.epoch() > served);
  for (const char* id : {"p", "w"}) store.state.workers.at(id).epoch = b.epoch();
  CHECK(absl::IsUnavailable(keep()));
  CHECK(AnyServedLarger(at_a, used, served));
  CHECK_FALSE(AnyServedLarger(at_a, {"q:1"}, served));
  CHECK_FALSE(AnyServedLarger(at_a, used, b.epoch()));

  // It dies. Neither its claims' end nor waiting brings them back to the epoch they served before.
  store.Expire(at_b);
  at_b.cut_off = true;
  CHECK(absl::IsUnavailable(keep()));
  CHECK(AnyServedLarger(at_a, used, served));

  // Standing by again it asks for a larger epoch.
  a.StandBy();
  CHECK(a.leading());
  wish.cell = "a";
  const auto again = ClaimChains(&at_a, wish, a.epoch());
  REQUIRE(again.ok());
  a.RaiseAbove(LargestEpoch(*again));
  CHECK(a.epoch() > b.epoch());
  REQUIRE(ClaimChains(&at_a, wish, a.epoch()).ok());
  CHECK(store.state.claims.at("w") == membership::Claim{"a", a.epoch()});
  CHECK_FALSE(AnyServedLarger(at_a, used, a.epoch()));
}

TEST_CASE("A leader keeps standbys: claims so many free ones, offers its own where they are now") {
  FakeStore store;
  FakeRegistry at_a(&store);
  at_a.Announce(Listed("p", membership::Role::kPrefill));
  for (const char* id : {"w0", "w1", "w2", "w3"})
    at_a.Announce(Listed(id, membership::Role::kShard));
  const Leadership a(&at_a, "a", {.id = "fa"});
  const membership::ChainWish wish{.cell = "a", .fingerprint = 7, .layers = 4, .shards = 2};
  const auto chain = ClaimChains(&at_a, wish, a.epoch());
  REQUIRE(chain.ok());
  StandbyWish standbys{.of = wish, .ranges = {{0, 2}, {2, 4}}, .in_chains = {"w0:1", "w1:1"}};
  const auto claim = [&] { return ClaimStandbys(&at_a, standbys, {"a", a.epoch()}); };
  using Endpoints = std::vector<std::string>;
  CHECK(claim() == Endpoints{"w0:1", "w1:1", "w2:1"});
  CHECK(store.state.claims.contains("w2"));
  CHECK_FALSE(store.state.claims.contains("w3"));
  CHECK(claim() == Endpoints{"w0:1", "w1:1", "w2:1"});
  // One was replaced by the standby: another one is claimed. It comes back elsewhere: it is one.
  standbys.in_chains = {"w0:1", "w2:1"};
  store.state.workers.erase("w1");
  at_a.Look();
  CHECK(claim() == Endpoints{"w0:1", "w2:1", "w3:1"});
  auto moved = Listed("w1", membership::Role::kShard);
  moved.endpoint = "elsewhere:1";
  at_a.Announce(moved);
  at_a.Look();
  CHECK(claim() == Endpoints{"w0:1", "elsewhere:1", "w2:1"});
}

}  // namespace
}  // namespace waferline::cell
