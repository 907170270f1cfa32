#include <algorithm>
#include <catch2/catch.hpp>
#include <optional>
#include <vector>

#include "scheduler/policy/admission.h"
#include "scheduler/policy/chunking.h"
#include "scheduler/policy/order.h"
#include "scheduler/policy/preemption.h"
#include "scheduler/policy/routing.h"
#include "scheduler/policy/tiers.h"

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

TEST_CASE("a unit is chosen by headroom, queue or prefix, within the tier of its request") {
  std::vector<UnitView> units(3);
  units[0] = {
      .running = 1, .max_running = 4, .free_pages = 50, .capacity_pages = 100, .needed_pages = 10};
  units[1] = {.running = 3,
              .max_running = 4,
              .free_pages = 90,
              .capacity_pages = 100,
              .needed_pages = 10,
              .cached_tokens = 5};
  units[2] = {.tier = UnitTier::kSlow,
              .max_running = 4,
              .free_pages = 100,
              .capacity_pages = 100,
              .needed_pages = 10};
  const auto choose = [&](QueueClass queue_class, UnitRule rule = UnitRule::kMostHeadroom,
                          const TierSettings& tiers = {}) {
    return ChooseUnit(rule, ChooseTier(tiers, {.queue_class = queue_class}), units);
  };
  REQUIRE(choose(QueueClass::kDefault, UnitRule::kMostHeadroom) == 1u);
  REQUIRE(choose(QueueClass::kDefault, UnitRule::kShortestQueue) == 0u);
  REQUIRE(choose(QueueClass::kDefault, UnitRule::kSticky) == 1u);
  REQUIRE(choose(QueueClass::kFlex) == 2u);
  REQUIRE(choose(QueueClass::kFlex, UnitRule::kMostHeadroom, {.flex_prefers_slow = false}) == 1u);
  units[0].free_pages = units[1].free_pages = 9;
  REQUIRE(choose(QueueClass::kDefault) == 2u);             // spills over
  REQUIRE(choose(QueueClass::kPriority) == std::nullopt);  // waits for a wafer
  REQUIRE(choose(QueueClass::kPriority, UnitRule::kMostHeadroom, {.priority_spills = true}) == 2u);
  units[0].alive = units[1].alive = false;
  REQUIRE(choose(QueueClass::kPriority) == 2u);
}

TEST_CASE("each rule of the fast tier lets in whom it is for") {
  const TierView plain{.prompt_tokens = 100, .output_tokens = 50};
  TierView urgent = plain, cached = plain, longer = plain, paid = plain, flex = plain;
  urgent.deadline = Seconds(2);
  urgent.expected_on_slow = Seconds(3);
  cached.cached_tokens = 60;
  longer.output_tokens = 500;
  paid.queue_class = QueueClass::kPriority;
  flex.queue_class = QueueClass::kFlex;
  const struct {
    TierRule rule;
    const TierView& in;
    const TierView& out;
  } cases[] = {{TierRule::kPaid, paid, plain},
               {TierRule::kDeadline, urgent, plain},
               {TierRule::kShortAnswer, plain, longer},
               {TierRule::kLongAnswer, longer, plain},
               {TierRule::kCached, cached, plain}};
  for (const auto& one : cases) {
    const TierSettings settings{.rule = one.rule};
    CHECK(ChooseTier(settings, one.in).tier == UnitTier::kFast);
    CHECK(ChooseTier(settings, one.out).tier == UnitTier::kSlow);
    CHECK(ChooseTier(settings, paid).tier == UnitTier::kFast);
    CHECK(ChooseTier(settings, flex).tier == UnitTier::kSlow);
  }
  urgent.expected_on_slow = Seconds(2);
  CHECK(ChooseTier({.rule = TierRule::kDeadline}, urgent).tier == UnitTier::kSlow);
  CHECK(!ChooseTier({.rule = TierRule::kPaid}, plain).spills);
  CHECK(ChooseTier({.rule = TierRule::kPaid, .slow_spills = true}, plain).spills);
  CHECK(ChooseTier({.rule = TierRule::kAll}, plain).spills);
  CHECK(!ChooseTier({.rule = TierRule::kAll, .default_spills = false}, plain).spills);
}

TEST_CASE("a share of the answers' tokens is never exceeded, and is used up") {
  for (const double share : {0.0, 0.1, 0.5, 1.0}) {
    TierView view;
    int64_t largest = 0;
    for (int i = 0; i < 2000; ++i) {
      view.output_tokens = 1 + i * 37 % 400;
      largest = std::max(largest, view.output_tokens);
      const UnitTier tier = ChooseTier({.rule = TierRule::kShare, .share = share}, view).tier;
      view.all_tokens += view.output_tokens;
      if (tier == UnitTier::kFast) view.fast_tokens += view.output_tokens;
      const auto all = static_cast<double>(view.all_tokens);
      REQUIRE(static_cast<double>(view.fast_tokens) <= share * all);
    }
    const auto all = static_cast<double>(view.all_tokens);
    CHECK(static_cast<double>(view.fast_tokens) >= share * all - static_cast<double>(largest));
  }
}

TEST_CASE("tiers have names, and no request is charged for more than it asked for") {
  for (const ServiceTier tier :
       {ServiceTier::kAuto, ServiceTier::kDefault, ServiceTier::kFlex, ServiceTier::kPriority}) {
    CHECK(ServiceTierNamed(NameOf(tier)) == tier);
    CHECK(ChargedTier(tier, ServedTier(tier, std::nullopt)) == ServedTier(tier, std::nullopt));
  }
  CHECK(ServiceTierNamed("gold") == std::nullopt);
  const auto charged = [](ServiceTier asked, UnitTier by) {
    return ChargedTier(asked, ServedTier(asked, by));
  };
  CHECK(charged(ServiceTier::kPriority, UnitTier::kFast) == ServiceTier::kPriority);
  CHECK(charged(ServiceTier::kPriority, UnitTier::kSlow) == ServiceTier::kDefault);
  CHECK(charged(ServiceTier::kAuto, UnitTier::kFast) == ServiceTier::kDefault);
  CHECK(charged(ServiceTier::kFlex, UnitTier::kFast) == ServiceTier::kFlex);
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
