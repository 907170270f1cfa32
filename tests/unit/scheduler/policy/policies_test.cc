#include <catch2/catch.hpp>
#include <vector>

#include "scheduler/policy/admission.h"
#include "scheduler/policy/chunking.h"
#include "scheduler/policy/order.h"
#include "scheduler/policy/preemption.h"
#include "scheduler/policy/routing.h"

namespace waferline::policy {
namespace {

TEST_CASE("a full class refuses with the time until a place is free, others do not care") {
  AdmissionSettings settings;
  settings.max_waiting = {1, 4, 4};
  AdmissionSnapshot s;
  s.waiting = {0, 4, 0};
  s.expected_queue = Milliseconds(400);
  const AdmissionDecision full = DecideAdmission(settings, s);
  REQUIRE(!full.admit);
  REQUIRE(full.cause == RefusalCause::kQueueFull);
  REQUIRE(full.retry_after == Milliseconds(100));
  s.queue_class = QueueClass::kPriority;
  REQUIRE(DecideAdmission(settings, s).admit);
}

TEST_CASE("what cannot meet its deadline is refused early, with the time by which it is late") {
  AdmissionSnapshot s;
  s.expected_queue = Seconds(3);
  s.expected_service = Seconds(2);
  s.deadline = Seconds(5);
  REQUIRE(DecideAdmission({}, s).admit);
  s.deadline = Seconds(4);
  REQUIRE(DecideAdmission({}, s).cause == RefusalCause::kWouldMissDeadline);
  REQUIRE(DecideAdmission({}, s).retry_after == Seconds(1));
  s.deadline = Seconds(1);  // not even alone
  REQUIRE(DecideAdmission({}, s).retry_after == Nanoseconds());
  AdmissionSettings lenient;
  lenient.refuse_missed_deadlines = false;
  REQUIRE(DecideAdmission(lenient, s).admit);
}

TEST_CASE("a client's queue threshold, a drain and lost devices refuse") {
  AdmissionSnapshot s;
  s.expected_queue = Milliseconds(50);
  s.queue_threshold = Milliseconds(20);
  REQUIRE(DecideAdmission({}, s).cause == RefusalCause::kQueueThreshold);
  REQUIRE(DecideAdmission({}, s).retry_after == Milliseconds(30));
  s.device_alive = false;
  REQUIRE(DecideAdmission({}, s).cause == RefusalCause::kNoDevice);
  s.fits_some_unit = false;
  REQUIRE(DecideAdmission({}, s).retry_after == Nanoseconds());
  s.draining = true;
  REQUIRE(DecideAdmission({}, s).cause == RefusalCause::kDraining);
}

TEST_CASE("orders: arrival, priority that ages, earliest deadline") {
  const QueueEntry early{Seconds(1), 5, Seconds(30)};
  const QueueEntry late{Seconds(20), 0, Seconds(25)};
  const QueueEntry later{Seconds(60), 0, std::nullopt};
  REQUIRE(OrderKey({OrderRule::kArrival}, early) < OrderKey({OrderRule::kArrival}, late));
  OrderSettings priority{OrderRule::kPriority, Seconds(10)};
  REQUIRE(OrderKey(priority, late) < OrderKey(priority, early));   // 5 numbers are 50 s
  REQUIRE(OrderKey(priority, early) < OrderKey(priority, later));  // which have passed by then
  const OrderSettings edf{OrderRule::kDeadline};
  REQUIRE(OrderKey(edf, late) < OrderKey(edf, early));
  REQUIRE(OrderKey(edf, early) < OrderKey(edf, later));
}

TEST_CASE("a worker is chosen by the work it has and the prefix it knows") {
  std::vector<WorkerView> workers(3);
  workers[0].pending_tokens = 500;
  workers[1].pending_tokens = 900;
  workers[1].cached_tokens = 800;
  workers[2].pending_tokens = 0;
  workers[2].alive = false;
  REQUIRE(ChooseWorker(WorkerRule::kLeastLoaded, workers, 1000, 0) == 0u);
  REQUIRE(ChooseWorker(WorkerRule::kPrefixAware, workers, 1000, 0) == 1u);
  REQUIRE(ChooseWorker(WorkerRule::kRoundRobin, workers, 1000, 4) == 1u);
  REQUIRE(ChooseWorker(WorkerRule::kRoundRobin, workers, 1000, 5) == 0u);  // 2 is lost
  workers[1].slowdown = 10;
  REQUIRE(ChooseWorker(WorkerRule::kPrefixAware, workers, 1000, 0) == 0u);
  workers[0].has_room = workers[1].has_room = false;
  REQUIRE(ChooseWorker(WorkerRule::kPrefixAware, workers, 1000, 0) == std::nullopt);
}

TEST_CASE("a unit is chosen by headroom, queue or prefix, within the kinds of its class") {
  std::vector<UnitView> units(3);
  units[0] = {
      .running = 1, .max_running = 4, .free_pages = 50, .capacity_pages = 100, .needed_pages = 10};
  units[1] = {.running = 3,
              .max_running = 4,
              .free_pages = 90,
              .capacity_pages = 100,
              .needed_pages = 10,
              .cached_tokens = 5};
  units[2] = {.kind = UnitKind::kGpu,
              .max_running = 4,
              .free_pages = 100,
              .capacity_pages = 100,
              .needed_pages = 10};
  REQUIRE(ChooseUnit({UnitRule::kMostHeadroom}, QueueClass::kDefault, units) == 1u);
  REQUIRE(ChooseUnit({UnitRule::kShortestQueue}, QueueClass::kDefault, units) == 0u);
  REQUIRE(ChooseUnit({UnitRule::kSticky}, QueueClass::kDefault, units) == 1u);
  REQUIRE(ChooseUnit({}, QueueClass::kFlex, units) == 2u);
  REQUIRE(ChooseUnit({.flex_prefers_gpu = false}, QueueClass::kFlex, units) == 1u);
  units[0].free_pages = units[1].free_pages = 9;
  REQUIRE(ChooseUnit({}, QueueClass::kDefault, units) == 2u);             // spills over
  REQUIRE(ChooseUnit({}, QueueClass::kPriority, units) == std::nullopt);  // waits for a wafer
  units[0].alive = units[1].alive = false;
  REQUIRE(ChooseUnit({}, QueueClass::kPriority, units) == 2u);
}

TEST_CASE("the worst and youngest gives way, and only to someone better") {
  const std::vector<VictimView> running = {{.priority = 5, .ordinal = 1},
                                           {.priority = 7, .ordinal = 2},
                                           {.priority = 7, .ordinal = 3},
                                           {.priority = 9, .ordinal = 4, .may_be_preempted = false},
                                           {.priority = 8, .ordinal = 5, .gives_enough = false}};
  REQUIRE(ChooseVictim(running, 0) == 2u);
  REQUIRE(ChooseVictim(running, 7) == std::nullopt);
}

TEST_CASE("short prompts may be prefilled on a wafer, and a chunk never exceeds the budget") {
  REQUIRE(PrefillOnUnit({64}, UnitKind::kWafer, 64));
  REQUIRE(!PrefillOnUnit({64}, UnitKind::kWafer, 65));
  REQUIRE(!PrefillOnUnit({64}, UnitKind::kGpu, 1));
  REQUIRE(NextChunk(100, 30) == 30);
  REQUIRE(NextChunk(10, 30) == 10);
}

}  // namespace
}  // namespace waferline::policy
