// Shards that take any layers: as a whole chain, and in the place of one that stays lost.
#include <catch2/catch.hpp>
#include <memory>

#include "tests/unit/wafer_backend/compute/plane/remote_workers.h"

namespace waferline::plane {
namespace {

constexpr shard::LayerRange kAny{0, 0};

TEST_CASE("shards that take any layers are given even parts; the tokens are the same") {
  const ModelOnDisk disk(ModelSpec());
  SeededStream random(10);
  const SequenceSpec spec = RandomSpec(&random, 256, 24);
  TestWaker waker;
  Cloud fixed = StartCloud(disk.path(), 4, 2, 32);
  const auto want = RunAll(PlaneOf(fixed.Options(disk.file()), &waker).get(), &waker, {spec});
  Cloud any;
  for (int i = 0; i < 3; ++i) any.shards.push_back(StartShard(disk.path(), kAny));
  any.prefill = StartPrefill(disk.path(), 32);
  for (const size_t shards : {3, 2}) {  // the same processes, other layers
    any.shards.resize(shards);
    auto plane = PlaneOf(any.Options(disk.file()), &waker);
    REQUIRE(plane->memory().size() == shards);
    REQUIRE(SameValues(RunAll(plane.get(), &waker, {spec})[0], want[0]));
    RequireEmpty(plane.get());
  }
}

TEST_CASE("a standby takes the place of a shard that stays lost, which is a standby from then on") {
  const ModelOnDisk disk(ModelSpec());
  SeededStream random(11);
  const SequenceSpec spec = RandomSpec(&random, 256, 24);
  Cloud cloud = StartCloud(disk.path(), 4, 2, 32);
  const auto standby = StartShard(disk.path(), kAny);
  PlaneOptions options = cloud.Options(disk.file());
  options.remote.standbys = std::make_shared<membership::StandbyPool>();
  options.remote.standbys->Offer(
      {cloud.shards[0]->endpoint(), cloud.shards[1]->endpoint(), standby->endpoint()});
  options.remote.liveness.patience = Milliseconds(500);
  TestWaker waker;
  auto plane = PlaneOf(options, &waker);
  const auto want = RunAll(plane.get(), &waker, {spec});
  const std::string endpoint = cloud.shards[1]->endpoint();
  cloud.shards[1]->Stop();
  REQUIRE(SameValues(RunAll(plane.get(), &waker, {spec}, 10)[0], want[0]));
  cloud.shards[1] = StartShard(disk.path(), {2, 4}, endpoint);
  standby->Stop();
  REQUIRE(SameValues(RunAll(plane.get(), &waker, {spec}, 20)[0], want[0]));
  RequireEmpty(plane.get());
}

TEST_CASE("a shard with layers of its own refuses others; so does a standby those of no model") {
  const ModelOnDisk disk(ModelSpec());
  Cloud cloud = StartCloud(disk.path(), 4, 2, 32);
  TestWaker waker;
  PlaneOptions options = cloud.Options(disk.file());
  const auto standby = StartShard(disk.path(), {0, 2});
  options.remote.standbys = std::make_shared<membership::StandbyPool>();
  options.remote.standbys->Offer(
      {cloud.shards[0]->endpoint(), cloud.shards[1]->endpoint(), standby->endpoint()});
  options.remote.liveness.patience = Milliseconds(300);
  options.remote.max_outage = Milliseconds(1500);
  auto plane = PlaneOf(options, &waker);
  cloud.shards[1]->Stop();
  SeededStream random(12);
  plane->Prefill(SequenceId{1}, RandomSpec(&random, 256, 4));
  plane->Want(SequenceId{1}, 4);
  plane->Activate(SequenceId{1});
  const TokenValue* value = nullptr;
  REQUIRE(waker.WaitUntil(
      [&] { return plane->Look(SequenceId{1}, 1, &value) == ValueSource::State::kFailed; }));
  REQUIRE(absl::IsUnavailable(plane->Failure(SequenceId{1})));
}

}  // namespace
}  // namespace waferline::plane
