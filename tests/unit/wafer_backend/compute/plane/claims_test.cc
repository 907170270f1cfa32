// Two drivers and the same workers: one of them has them, the other is refused by name; a driver of
// a later epoch takes them over; pages and activations of another driver are not let in.
#include <catch2/catch.hpp>

#include "tests/unit/wafer_backend/compute/plane/remote_workers.h"
#include "wafer_backend/base/retry_hint.h"
#include "wafer_backend/compute/link/typed_link.h"

namespace waferline::plane {
namespace {

membership::Credentials Driver(const std::string& name, uint64_t incarnation, uint64_t epoch) {
  return {.cell = "demo", .worker = name, .incarnation = incarnation, .fence = {.epoch = epoch}};
}

struct Scene {
  PlaneOptions As(const membership::Credentials& driver) const {
    PlaneOptions options = cloud.Options(disk.file());
    options.remote.credentials = driver;
    options.remote.max_outage = Milliseconds(500);
    return options;
  }
  ModelOnDisk disk{ModelSpec()};
  Cloud cloud = StartCloud(disk.path(), 4, 2, 32);
  TestWaker waker;
};

SequenceSpec Spec() {
  SeededStream random(10);
  return RandomSpec(&random, 256, 24);
}

bool Says(const absl::Status& status, const std::string& part) {
  return status.ToString().find(part) != std::string::npos;
}

TEST_CASE("a second driver is refused while the first one lives, and harms nothing") {
  Scene scene;
  const SequenceSpec spec = Spec();
  auto first = PlaneOf(scene.As(Driver("front-a", 1, 0)), &scene.waker);
  const auto want = RunAll(first.get(), &scene.waker, {spec}, 1);
  TestWaker other;
  const auto refused = ComputePlane::Create(scene.As(Driver("front-b", 2, 0)), &other);
  REQUIRE_FALSE(refused.ok());
  INFO(refused.status());
  REQUIRE(absl::IsAlreadyExists(refused.status()));
  REQUIRE(Says(refused.status(), "driver \"front-a\" of cell \"demo\" owns this"));
  REQUIRE(SameValues(RunAll(first.get(), &scene.waker, {spec}, 10)[0], want[0]));
  REQUIRE(first->counters().host_recoveries[0] == 0);
  REQUIRE(first->counters().outage.empty());
  first.reset();
  auto second = PlaneOf(scene.As(Driver("front-b", 2, 0)), &other);
  REQUIRE(SameValues(RunAll(second.get(), &other, {spec}, 1)[0], want[0]));
}

TEST_CASE("a later epoch takes the workers over; the earlier one ends its requests, retryable") {
  Scene scene;
  const SequenceSpec spec = Spec();
  auto old = PlaneOf(scene.As(Driver("front-a", 1, 7)), &scene.waker);
  const auto want = RunAll(old.get(), &scene.waker, {spec}, 1);
  const SequenceId id{5};
  const TokenValue* value = nullptr;
  old->Prefill(id, spec);
  old->Activate(id);
  old->Want(id, 3);
  REQUIRE(scene.waker.WaitUntil(
      [&] { return old->Look(id, 2, &value) == ValueSource::State::kReady; }));

  TestWaker other;
  auto leader = PlaneOf(scene.As(Driver("front-b", 2, 9)), &other);
  old->Want(id, 24);
  REQUIRE(scene.waker.WaitUntil(
      [&] { return old->Look(id, 23, &value) == ValueSource::State::kFailed; }));
  const absl::Status failure = old->Failure(id);
  INFO(failure);
  REQUIRE(absl::IsUnavailable(failure));
  REQUIRE(RetryAfterOf(failure));
  REQUIRE(Says(failure, "epoch 7 is over, epoch 9 owns this"));
  REQUIRE(SameValues(RunAll(leader.get(), &other, {spec}, 1)[0], want[0]));
  REQUIRE(leader->counters().host_recoveries[0] == 0);
  RequireEmpty(leader.get());  // nothing of the old driver's is left on the shards
}

TEST_CASE("shards with fewer slots than the units run are refused, with both numbers") {
  Scene scene;
  PlaneOptions options = scene.As(Driver("front-a", 1, 0));
  options.remote.sequences = 256;  // as many as StartShard gives them
  PlaneOf(options, &scene.waker).reset();
  options.remote.sequences = 257;
  const auto refused = ComputePlane::Create(options, &scene.waker);
  REQUIRE(absl::IsFailedPrecondition(refused.status()));
  REQUIRE(Says(refused.status(), "the shards hold 256 sequences at once"));
  REQUIRE(Says(refused.status(), "run up to 257"));
}

// What a worker answers to a greeting.
absl::Status Greet(const std::string& endpoint, const link::HelloFrame& hello) {
  link::Reactor reactor;
  std::unique_ptr<link::Connection> connection;
  std::optional<absl::Status> answer;
  link::ConnectAttempt attempt(&reactor, endpoint, Seconds(5),
                               [&](auto result) { connection = *std::move(result); });
  while (connection == nullptr) reactor.Turn(Milliseconds(5));
  link::GreetingInlet inlet;
  connection->Start(
      [&](std::span<const uint8_t> frame) {
        return inlet.Accept(frame, [&](const link::HelloFrame&) {
          answer = absl::OkStatus();
          return absl::OkStatus();
        });
      },
      [&](const absl::Status& why) { answer = why; });
  REQUIRE(link::GreetingOutlet(connection.get()).Send(hello).ok());
  const Nanoseconds end = reactor.Now() + Seconds(20);
  while (!answer && reactor.Now() < end) reactor.Turn(Milliseconds(5));
  REQUIRE(answer.has_value());
  connection.reset();
  return *answer;
}

TEST_CASE("a neighbour and a prefill worker must show the driver's fence") {
  Scene scene;
  const membership::Credentials driver = Driver("front-a", 1, 9);
  auto plane = PlaneOf(scene.As(driver), &scene.waker);
  link::HelloFrame hello;
  hello.model_fingerprint = shard::FingerprintOf(*scene.disk.file());
  hello.page_tokens = static_cast<uint32_t>(kPage);
  hello.end_layer = 2;
  for (const link::Role role : {link::Role::kNeighbour, link::Role::kPrefill}) {
    hello.role = role;
    for (const uint64_t epoch : {8u, 9u, 10u}) {
      hello.credentials = Driver("worker-x", epoch == 9 ? 2 : 1, epoch);
      const absl::Status answer = Greet(scene.cloud.shards[1]->endpoint(), hello);
      INFO(answer);
      REQUIRE(absl::IsUnavailable(answer));
      REQUIRE(Says(answer, "\"worker-x\" works for a driver of epoch " + std::to_string(epoch)));
    }
  }
  const SequenceSpec spec = Spec();
  RunAll(plane.get(), &scene.waker, {spec}, 1);
  REQUIRE(plane->counters().host_recoveries[0] == 0);
}

}  // namespace
}  // namespace waferline::plane
