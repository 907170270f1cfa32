#include "wafer_backend/membership/chain_choice.h"

#include <catch2/catch.hpp>

#include "wafer_backend/membership/standby_pool.h"

namespace waferline::membership {
namespace {

constexpr uint64_t kModel = 7;

void List(Snapshot* snapshot, const std::string& id, const std::string& layers,
          uint64_t fingerprint = kModel) {
  Worker worker{.id = id, .incarnation = 1, .endpoint = id + ":1", .fingerprint = fingerprint};
  if (layers == "prefill") {
    worker.role = Role::kPrefill;
  } else {
    worker.layers = *LayersOf(layers);
  }
  snapshot->workers[id] = worker;
}

std::string TextOf(const absl::StatusOr<std::vector<Chain>>& chains) {
  if (!chains.ok()) return std::string(chains.status().message());
  std::string text;
  for (const Chain& chain : *chains) {
    text += text.empty() ? "" : "; ";
    for (const Worker& worker : chain.prefill) {
      text += (worker == chain.prefill[0] ? "" : "+") + worker.id;
    }
    for (const ChainWorker& shard : chain.shards) {
      text += " " + shard.worker.id + "=" + membership::TextOf(shard.layers);
    }
  }
  return text;
}

const ChainWish kWish{.cell = "a", .fingerprint = kModel, .layers = 6, .shards = 2};

TEST_CASE("Shards with layers of their own are joined, the fewest of them") {
  Snapshot snapshot;
  List(&snapshot, "p", "prefill");
  for (const auto& [id, layers] : {std::pair{"s0", "0:2"},
                                   {"s1", "2:4"},
                                   {"s2", "4:6"},
                                   {"s3", "0:3"},
                                   {"s4", "3:6"},
                                   {"s5", "any"}}) {
    List(&snapshot, id, layers);
  }
  CHECK(TextOf(ChooseChains(snapshot, kWish)) == "p s3=0:3 s4=3:6");
  snapshot.workers.erase("s4");
  CHECK(TextOf(ChooseChains(snapshot, kWish)) == "p s0=0:2 s1=2:4 s2=4:6");
}

TEST_CASE("Workers without layers get even parts, the cell's own ones first") {
  Snapshot snapshot;
  List(&snapshot, "p", "prefill");
  for (const char* id : {"w0", "w1", "w2", "w3"}) List(&snapshot, id, "any");
  CHECK(TextOf(ChooseChains(snapshot, kWish)) == "p w0=0:3 w1=3:6");
  snapshot.claims["w3"] = {"a", 1};
  snapshot.claims["w0"] = {"b", 1};
  CHECK(TextOf(ChooseChains(snapshot, kWish)) == "p w3=0:3 w1=3:6");
}

TEST_CASE(
    "A worker with another model, or of another cell, is not chosen, and what lacks is said") {
  Snapshot snapshot;
  CHECK(TextOf(ChooseChains(snapshot, kWish)) == "no prefill worker has the model and is free");
  List(&snapshot, "p", "prefill");
  List(&snapshot, "w0", "any");
  List(&snapshot, "w1", "any", kModel + 1);
  CHECK(
      TextOf(ChooseChains(snapshot, kWish)) ==
      "the free shards with the model do not join from layer 0 to 6, and of 2 that take any layers "
      "there are 1");
  snapshot.claims["p"] = {"b", 4};
  CHECK(TextOf(ChooseChains(snapshot, kWish)) == "no prefill worker has the model and is free");
}

TEST_CASE("As many prefill workers as are wished, and are there") {
  Snapshot snapshot;
  for (const char* id : {"p0", "p1", "p2"}) List(&snapshot, id, "prefill");
  List(&snapshot, "s", "0:6");
  ChainWish wish = kWish;
  wish.prefill = 2;
  CHECK(TextOf(ChooseChains(snapshot, wish)) == "p0+p1 s=0:6");
  wish.prefill = 9;
  CHECK(TextOf(ChooseChains(snapshot, wish)) == "p0+p1+p2 s=0:6");
}

TEST_CASE("Standbys have layers of the chain, or take any; own ones first; no other cell's") {
  Snapshot snapshot;
  for (const auto& [id, layers] : {std::pair{"a0", "any"},
                                   {"a1", "any"},
                                   {"b0", "0:3"},
                                   {"b1", "0:2"},
                                   {"b2", "3:6"},
                                   {"p", "prefill"}}) {
    List(&snapshot, id, layers);
  }
  snapshot.claims["a1"] = {"a", 1};
  snapshot.claims["b2"] = {"b", 1};
  std::string ids;
  for (const Worker& worker : ChooseStandbys(snapshot, kWish, {{0, 3}, {3, 6}})) {
    ids += worker.id + " ";
  }
  CHECK(ids == "b0 a1 a0 ");
}

TEST_CASE("Several chains: no worker is in two; prefill workers are spread; what lacks is said") {
  Snapshot snapshot;
  for (const char* id : {"p0", "p1", "p2"}) List(&snapshot, id, "prefill");
  for (const auto& [id, layers] :
       {std::pair{"s0", "0:6"}, {"s1", "0:3"}, {"s2", "3:6"}, {"w0", "any"}, {"w1", "any"}}) {
    List(&snapshot, id, layers);
  }
  ChainWish wish = kWish;
  wish.chains = 3;
  wish.prefill = 2;
  CHECK(TextOf(ChooseChains(snapshot, wish)) == "p0 s0=0:6; p1 s1=0:3 s2=3:6; p2 w0=0:3 w1=3:6");
  wish.chains = 2;
  CHECK(TextOf(ChooseChains(snapshot, wish)) == "p0 s0=0:6; p1+p2 s1=0:3 s2=3:6");
  wish.chains = 4;
  CHECK(TextOf(ChooseChains(snapshot, wish)) ==
        "chain 4 of 4: no prefill worker has the model and is free");
}

TEST_CASE("A pool gives what is offered and in no chain, each in its turn") {
  StandbyPool pool;
  pool.SetChain(0, {"a", "b"});
  CHECK(pool.Replace(0, 0) == std::nullopt);
  pool.Offer({"a", "b", "c", "d"});
  CHECK_FALSE(pool.empty());
  CHECK(pool.Replace(0, 1) == "c");
  CHECK(pool.Replace(0, 1) == "d");
  CHECK(pool.Replace(0, 1) == "b");
  CHECK(pool.InChains() == std::vector<std::string>{"a", "b"});
  // Two chains never have one worker.
  pool.SetChain(1, {"c"});
  CHECK(pool.Replace(1, 0) == "d");
  CHECK(pool.Replace(0, 0) == "c");
  CHECK(pool.InChains() == std::vector<std::string>{"c", "b", "d"});
  pool.Offer({"b", "d"});
  CHECK(pool.empty());
  CHECK(pool.Replace(0, 0) == std::nullopt);
}

TEST_CASE("Layers and names are read as they are written") {
  CHECK(membership::TextOf(*LayersOf("3:9")) == "3:9");
  CHECK(membership::TextOf(*LayersOf("any")) == "any");
  for (const char* wrong : {"", "3", "3:3", "4:3", "a:b", "-1:2", "1:2:3"}) {
    CHECK_FALSE(LayersOf(wrong).ok());
  }
  CHECK(CheckName("cell", "demo-0").ok());
  CHECK(CheckName("cell", "a/b").message() ==
        "cell is \"a/b\", must be 1 to 128 letters, digits, '-', '_' or '.'");
  CHECK_FALSE(CheckName("cell", "").ok());
}

TEST_CASE("The larger fence wins: by epoch, then by generation") {
  CHECK(Fence{2, 0} > Fence{1, 9});
  CHECK(Fence{2, 1} > Fence{2, 0});
}

}  // namespace
}  // namespace waferline::membership
