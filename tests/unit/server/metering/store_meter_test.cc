// Usage records through lost answers of the database, and of servers that die.
#include "server/metering/store_meter.h"

#include <atomic>
#include <catch2/catch.hpp>

#include "server/metering/usage_batch.h"
#include "server/metering/usage_tables.h"
#include "tests/unit/server/metering/meter_world.h"

namespace waferline::metering {

TEST_CASE("lost acknowledgements, refused commits and broken connections give the same sums") {
  const uint64_t seed = GENERATE(range(1, 7));
  INFO("seed " << seed);
  World world;
  store::FaultyStore faulty(world.real.get(),
                            {.lost = 0.15, .refused = 0.15, .broken = 0.02, .seed = seed});
  auto meter = StoreMeter::Start(&faulty, Plain());
  while (!meter.ok()) meter = StoreMeter::Start(&faulty, Plain());
  std::atomic<int> confirmed{0};
  const auto count = [&](const absl::Status& status) { confirmed += status.ok() ? 1 : 0; };
  int64_t prompt = 0, generated = 0, ends = 0, charge_pico = 0;
  std::vector<std::shared_ptr<RequestUsage>> all;
  for (uint32_t i = 0; i < 60; ++i) {
    const uint32_t choices = 1 + i % 3;
    auto usage = Admit(**meter, Requests(choices, 10 + i, 100));
    usage->Open(nullptr);
    for (uint32_t choice = 0; choice < choices; ++choice) {
      if (i % 10 == 9) {
        usage->Withdraw(choice);
        continue;
      }
      const bool failed = i % 10 == 8;
      usage->Post(choice, Ended(10 + i, i, failed ? FinishReason::kFailed : FinishReason::kLength),
                  count);
      ++ends;
      generated += i;
      if (choice == 0) prompt += 10 + i;
      if (!failed) charge_pico += 1'500'000 * i + (choice == 0 ? 3 * (10 + i) : 0);
    }
    if (i % 2 == 0) REQUIRE((*meter)->writer().Flush(Seconds(60)));  // so there are many commits
  }
  REQUIRE((*meter)->Stop());
  CHECK(confirmed == ends);
  CHECK(world.Number("SELECT COUNT(*) FROM usage") == ends);
  CHECK(world.Number("SELECT COUNT(*) FROM usage WHERE status = 'posted'") == ends);
  for (const char* table : {"usage", "usage_hour"}) {
    const std::string from = std::string(" FROM ") + table;
    CHECK(world.Number("SELECT SUM(prompt)" + from) == prompt);
    CHECK(world.Number("SELECT SUM(generated)" + from) == generated);
    CHECK(world.Number("SELECT SUM(charge_micro) * 1000000 + SUM(charge_pico)" + from) ==
          charge_pico);
  }
  CHECK(world.Number("SELECT spent_micro * 1000000 + spent_pico FROM account") == charge_pico);
  CHECK(world.Number("SELECT COUNT(*) FROM epoch WHERE ended_us = 0") == 0);
  CHECK(faulty.lost + faulty.refused > 0);
  CHECK(faulty.broken > 0);
}

TEST_CASE(
    "what a dead server left open is interrupted and not charged; its late post still counts") {
  World world;
  std::shared_ptr<RequestUsage> late;
  {
    const auto meter = StoreMeter::Start(world.real.get(), Plain());
    Admit(**meter, Requests(2, 5, 10))->Open(nullptr);
    REQUIRE((*meter)->writer().Flush(Seconds(10)));
    (*meter)->writer().Stop();  // as killed: the epoch is not ended
  }
  const auto meter = StoreMeter::Start(world.real.get(), Plain());
  CHECK((*meter)->interrupted() == 2);
  CHECK(world.Number("SELECT COUNT(*) FROM usage WHERE status = 'interrupted' AND charge_micro = 0 "
                     "AND charge_pico = 0") == 2);
  // PostgreSQL: a server that lived on without its lock posts what another has settled.
  const OpenUsage open{.id = {.epoch = 1, .ordinal = 1, .choice = 1},
                       .subject = {.tenant = "t", .model = "m"},
                       .admitted_us = kNowUs};
  const EndedUsage end{.reason = "stop",
                       .counts = {.prompt = 5, .generated = 7},
                       .ended_us = kNowUs,
                       .charge = Money::FromPico(7)};
  const auto post = [&](const OpenUsage& which) {
    UsageBatch batch;
    batch.Post(which, end);
    const auto last = batch.Write(*world.connection, UsageBatch::Steps::kOneByOne, 1);
    return last.ok() && world.connection->RunAll(*last).ok();
  };
  for (int again = 0; again < 3; ++again) REQUIRE(post(open));
  CHECK(world.Number("SELECT COUNT(*) FROM usage WHERE status = 'posted'") == 1);
  CHECK(world.Number("SELECT SUM(generated) FROM usage_hour") == 7);
  CHECK(world.Number("SELECT spent_pico FROM account WHERE period > 0") == 7);
  // A post whose open was never committed.
  OpenUsage unseen = open;
  unseen.id.ordinal = 99;
  for (int again = 0; again < 3; ++again) REQUIRE(post(unseen));
  CHECK(world.Number("SELECT records FROM usage_hour") == 2);
  CHECK(world.Number("SELECT requests FROM usage_hour") ==
        0);  // their first choices posted nothing
}

TEST_CASE(
    "a request that is over soon leaves no open row, one that lasts does, a withdrawn one never") {
  World world;
  std::atomic<int64_t> clock{0};
  StoreMeter::Options options = Plain();
  options.now = [&] { return Nanoseconds(clock); };
  options.open_delay = Milliseconds(250);
  const auto meter = StoreMeter::Start(world.real.get(), options);
  const auto commit = [&] { REQUIRE((*meter)->writer().Flush(Seconds(60))); };
  auto soon = Admit(**meter, Requests(1, 5, 10));
  soon->Open(nullptr);
  auto lasting = Admit(**meter, Requests(3, 5, 10));
  lasting->Open(nullptr);
  lasting->Withdraw(2);
  commit();
  CHECK(world.Number("SELECT COUNT(*) FROM usage") == 0);
  soon->Post(0, Ended(5, 7), [](const absl::Status&) {});
  lasting->Post(0, Ended(5, 7), [](const absl::Status&) {});
  commit();
  CHECK(world.Number("SELECT COUNT(*) FROM usage WHERE status = 'posted'") == 2);
  CHECK(world.Number("SELECT COUNT(*) FROM usage") == 2);
  clock = Milliseconds(250).count();
  commit();
  CHECK(world.Number("SELECT COUNT(*) FROM usage WHERE status = 'open'") == 1);
  lasting->Post(1, Ended(5, 7), [](const absl::Status&) {});
  commit();
  CHECK(world.Number("SELECT COUNT(*) FROM usage WHERE status = 'posted'") == 3);
  CHECK(world.Number("SELECT COUNT(*) FROM usage") == 3);
  CHECK(world.Number("SELECT COUNT(DISTINCT position) FROM usage WHERE position > 0") == 3);
  REQUIRE((*meter)->Stop());
}

TEST_CASE("the tier that served is billed, never more than the one asked for") {
  World world;
  const auto meter = StoreMeter::Start(world.real.get(), Plain());
  const std::vector<ValidRequest> requests = Requests(1, 0, 100);
  const auto serve = [&](const char* asked, ServiceTier served) {
    const auto usage =
        (*meter)
            ->Admit({.subject = {.tenant = "t", .model = "m", .asked = asked, .tier = asked},
                     .choices = requests})
            .value();
    Outcome outcome = Ended(0, 100);
    outcome.served = served;
    usage->Post(0, outcome, [](const absl::Status&) {});
    REQUIRE((*meter)->writer().Flush(Seconds(60)));
    return world.Number("SELECT charge_micro FROM usage ORDER BY ordinal DESC LIMIT 1");
  };
  CHECK(serve("priority", ServiceTier::kPriority) == 300);
  CHECK(serve("priority", ServiceTier::kDefault) == 150);  // its fast units were full
  CHECK(serve("default", ServiceTier::kPriority) == 150);  // lifted
  CHECK(world.Number("SELECT COUNT(*) FROM usage WHERE asked = 'priority' AND tier = 'default'") ==
        1);
  CHECK(world.Number("SELECT COUNT(*) FROM usage_hour WHERE tier = 'default'") == 1);
  REQUIRE((*meter)->Stop());
}

TEST_CASE("months are those of UTC") {
  CHECK(PeriodOf(0) == 197001);
  CHECK(PeriodOf(1'767'225'599'999'999) == 202512);
  CHECK(PeriodOf(1'767'225'600'000'000) == 202601);
}

}  // namespace waferline::metering
