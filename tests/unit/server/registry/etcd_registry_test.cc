// Against real etcd processes, which the tests start; without Debian's etcd-server they say so.
#include "server/registry/etcd_registry.h"

#include <catch2/catch.hpp>

#include "server/registry/etcd_client.h"
#include "server/runtime/host.h"
#include "tests/support/etcd_process.h"

namespace waferline::registry {
namespace {

using membership::Registry;
using membership::Snapshot;
constexpr Nanoseconds kSoon = Seconds(20);

EtcdOptions OptionsFor(const EtcdProcess& etcd) {
  return {.endpoints = etcd.endpoints(), .cloud = "test", .ttl_s = 2};
}

membership::Worker Worker(const std::string& id, uint64_t incarnation = 1) {
  return {.id = id, .incarnation = incarnation, .endpoint = id + ":1", .fingerprint = 7};
}

bool Sees(const Registry& registry, const std::function<bool(const Snapshot&)>& what) {
  return runtime::WaitFor(
      [&] {
        const auto now = registry.snapshot();
        return now != nullptr && what(*now);
      },
      kSoon);
}

bool SeesWorker(const Registry& registry, const std::string& id, uint64_t incarnation = 1) {
  return Sees(registry, [&](const Snapshot& now) {
    return now.workers.contains(id) && now.workers.at(id).incarnation == incarnation;
  });
}

// 0: none.
uint64_t EpochOf(const Registry& registry, const std::string& id) {
  const auto now = registry.snapshot();
  if (now == nullptr || !now->leaders.contains("demo")) return 0;
  return now->leaders.at("demo").id == id ? now->leaders.at("demo").epoch : 0;
}

#define REQUIRE_ETCD()                                       \
  if (!EtcdProcess::Installed()) {                           \
    WARN("skipped: /usr/bin/etcd (etcd-server) is missing"); \
    return;                                                  \
  }

TEST_CASE("Workers are listed under their lease; a restarted one takes its name when that ends") {
  REQUIRE_ETCD();
  const EtcdProcess etcd;
  const auto front = OpenEtcdRegistry(OptionsFor(etcd));
  auto worker = OpenEtcdRegistry(OptionsFor(etcd));
  worker->Announce(Worker("w"));
  REQUIRE(SeesWorker(*front, "w"));
  CHECK(front->status().ok());
  CHECK(worker->age() < Seconds(10));

  // Another process with its name waits, and says so.
  std::atomic<int> remarks = 0;
  EtcdOptions options = OptionsFor(etcd);
  options.on_remark = [&remarks](const std::string&) { ++remarks; };
  const auto restarted = OpenEtcdRegistry(options);
  restarted->Announce(Worker("w", 2));
  CHECK(runtime::WaitFor([&] { return remarks > 0; }, kSoon));
  CHECK(front->snapshot()->workers.at("w").incarnation == 1);
  worker.reset();  // withdraws
  CHECK(SeesWorker(*front, "w", 2));
}

TEST_CASE("One front end is elected; the next one has a larger epoch, and claims need the epoch") {
  REQUIRE_ETCD();
  const EtcdProcess etcd;
  const auto a = OpenEtcdRegistry(OptionsFor(etcd));
  a->Campaign("demo", {.id = "a", .http = "a:80"});
  REQUIRE(runtime::WaitFor([&] { return EpochOf(*a, "a") > 0; }, kSoon));
  const auto b = OpenEtcdRegistry(OptionsFor(etcd));
  b->Campaign("demo", {.id = "b", .http = "b:80"});
  b->Announce(Worker("w"));
  REQUIRE(SeesWorker(*a, "w"));
  REQUIRE(SeesWorker(*b, "w"));
  const uint64_t first = EpochOf(*a, "a");

  CHECK(a->Take(Worker("w"), {"demo", first}).ok());
  CHECK(a->Take(Worker("w"), {"demo", first}).ok());  // again: has it
  CHECK(absl::IsFailedPrecondition(a->Take(Worker("w"), {"demo", first + 1})));
  CHECK(absl::IsFailedPrecondition(a->Take(Worker("w", 2), {"demo", first})));
  CHECK(absl::IsFailedPrecondition(a->Take(Worker("none"), {"demo", first})));
  CHECK(Sees(*b, [](const Snapshot& now) { return now.claims.contains("w"); }));
  CHECK(absl::IsFailedPrecondition(a->Release("w", {"other", first})));
  CHECK(a->Release("w", {"demo", first}).ok());
  CHECK(a->Take(Worker("w"), {"demo", first}).ok());

  a->Withdraw();
  REQUIRE(runtime::WaitFor([&] { return EpochOf(*b, "b") > first; }, kSoon));
  // What the old leader had claimed ended with its lease.
  CHECK(Sees(*b, [](const Snapshot& now) { return now.claims.empty(); }));
  CHECK(absl::IsFailedPrecondition(b->Take(Worker("w"), {"demo", first})));
  CHECK(b->Take(Worker("w"), {"demo", EpochOf(*b, "b")}).ok());
}

TEST_CASE("While etcd is down what was known stays; afterwards all is listed again") {
  REQUIRE_ETCD();
  EtcdProcess etcd;
  const auto front = OpenEtcdRegistry(OptionsFor(etcd));
  const auto worker = OpenEtcdRegistry(OptionsFor(etcd));
  front->Campaign("demo", {.id = "a"});
  worker->Announce(Worker("w"));
  REQUIRE(SeesWorker(*front, "w"));
  REQUIRE(runtime::WaitFor([&] { return EpochOf(*front, "a") > 0; }, kSoon));
  const auto known = front->snapshot();

  const bool wiped = GENERATE(false, true);
  etcd.Kill(0);
  CHECK(
      runtime::WaitFor([&] { return !front->status().ok() && front->age() > Seconds(3); }, kSoon));
  CHECK(*front->snapshot() == *known);
  CHECK(absl::IsUnavailable(front->Take(Worker("w"), {"demo", EpochOf(*front, "a")})));
  if (wiped) etcd.Wipe(0);
  etcd.Start(0);
  CHECK(runtime::WaitFor([&] { return front->status().ok() && worker->status().ok(); }, kSoon));
  CHECK(SeesWorker(*front, "w"));
  CHECK(runtime::WaitFor([&] { return EpochOf(*front, "a") > 0; }, kSoon));
  CHECK(runtime::WaitFor(
      [&] {
        return front->Take(Worker("w"), {"demo", EpochOf(*front, "a")}).ok();
      },
      kSoon));
}

TEST_CASE("A watch from before a compaction says so, and everything is read again") {
  REQUIRE_ETCD();
  const EtcdProcess etcd;
  const auto front = OpenEtcdRegistry(OptionsFor(etcd));
  const auto worker = OpenEtcdRegistry(OptionsFor(etcd));
  worker->Announce(Worker("w"));
  REQUIRE(SeesWorker(*front, "w"));
  const int64_t revision = front->snapshot()->revision;
  for (int i = 0; i < 5; ++i)
    REQUIRE(etcd.Control("put /waferline/1/test/other " + std::to_string(i)));
  REQUIRE(Sees(*front, [&](const Snapshot& now) { return now.revision >= revision + 5; }));
  REQUIRE(etcd.Control("compact " + std::to_string(revision + 4)));
  EtcdClient client({.endpoints = etcd.endpoints()});
  CHECK(
      absl::IsOutOfRange(client.Watch("/waferline/1/test/", 1, [](const auto&) { return true; })));
  worker->Announce(Worker("v"));
  CHECK(SeesWorker(*front, "v"));
  CHECK(absl::IsResourceExhausted(client.List("/waferline/1/test/", 1).status()));
}

TEST_CASE("An entry that is none of ours is ignored and named") {
  REQUIRE_ETCD();
  const EtcdProcess etcd;
  std::atomic<int> remarks = 0;
  EtcdOptions options = OptionsFor(etcd);
  options.on_remark = [&remarks](const std::string& text) {
    if (text.find("ignores workers/x: is not a JSON object") != std::string::npos) ++remarks;
  };
  const auto front = OpenEtcdRegistry(options);
  front->Announce(Worker("w"));
  REQUIRE(SeesWorker(*front, "w"));
  REQUIRE(etcd.Control("put /waferline/1/test/workers/x nonsense"));
  CHECK(runtime::WaitFor([&] { return remarks == 1; }, kSoon));
  CHECK(front->snapshot()->workers.size() == 1);
  // What an operator removed is listed again.
  REQUIRE(etcd.Control("del /waferline/1/test/workers/w"));
  CHECK(SeesWorker(*front, "w"));
}

TEST_CASE("Of three members any may be lost") {
  REQUIRE_ETCD();
  EtcdProcess etcd(3);
  const auto front = OpenEtcdRegistry(OptionsFor(etcd));
  const auto worker = OpenEtcdRegistry(OptionsFor(etcd));
  for (int lost = 0; lost < 3; ++lost) {
    const std::string id = "w" + std::to_string(lost);
    CAPTURE(lost);
    if (lost == 1) etcd.Signal(1, SIGSTOP);  // says nothing, but its connections stay
    if (lost != 1) etcd.Kill(lost);
    worker->Announce(Worker(id));
    CHECK(SeesWorker(*front, id));
    if (lost == 1) etcd.Signal(1, SIGCONT);
    if (lost != 1) etcd.Start(lost);
    CHECK(runtime::WaitFor([&] { return etcd.Control("endpoint health --cluster"); }, kSoon));
  }
}

}  // namespace
}  // namespace waferline::registry
