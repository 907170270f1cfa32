// What requests of a prepaid plan are checked against: the ledger's prepaid balance, whatever
// happened before.
#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <utility>

#include "server/accounts/account_tables.h"
#include "server/accounts/quota_tables.h"
#include "server/metering/usage_tables.h"
#include "tests/unit/server/accounts/invoice_world.h"
#include "wafer_backend/base/seeded_stream.h"

namespace waferline::accounts {
namespace {

struct PrepaidWorld : World {
  // One answer of acme's, as World::Serve's, if its hold is admitted. A server that is killed then
  // has not sent it; the next one credits what was not sent.
  void Use(const std::string& plan, bool killed) {
    metering::StoreMeter::Options options{
        .host = "here",
        .patience = Seconds(60),
        .now = Now,
        .unix_us = [this] { return now_us; },
        .prices = &book,
        .credit_unconfirmed = true,
        .system_ns_per_token = [](const std::string&) { return 3'000'000; }};
    auto meter = metering::StoreMeter::Start(store.get(), options).value();
    std::vector<ValidRequest> one(1);
    one[0].prompt = std::make_shared<const std::vector<TokenId>>(1000, 7);
    one[0].max_tokens = 500;
    const auto usage =
        meter
            ->Admit({.subject = {.tenant = "acme", .plan = plan, .model = "m", .tier = "default"},
                     .choices = one,
                     .capped = true})
            .value();
    usage->Open([&](const absl::Status& held) {
      if (!held.ok()) return usage->Withdraw(0);
      const Outcome outcome{.reason = FinishReason::kStop,
                            .prompt_tokens = 1000,
                            .cached_tokens = 300,
                            .generated_tokens = 500,
                            .compute = {.wafer_ns = 1'500'000'001}};
      usage->Post(0, outcome, [](const absl::Status&) {});
    });
    REQUIRE(meter->Flush());
    REQUIRE(meter->Flush());  // what was posted within the first
    if (killed) return meter->writer().Stop();
    REQUIRE(meter->Stop());
  }

  // Is a request that costs at most so much admitted?
  bool Admits(int64_t micro) {
    REQUIRE(connection->Begin().ok());
    const absl::Status held =
        metering::OpenWithHold(*connection,
                               {.id = {999, 1, 0},
                                .subject = {.tenant = "acme", .plan = "prepaid", .model = "m"},
                                .admitted_us = now_us,
                                .hold_micro = micro,
                                .capped = true},
                               true);
    connection->Rollback();
    INFO(held);
    REQUIRE((held.ok() || absl::IsResourceExhausted(held)));
    return held.ok();
  }

  // The ledger's, less system time that no invoice has booked yet.
  Money Left() {
    Money left = -Balance("tenant:acme:prepaid");
    const auto unbilled = UnbilledRecords(*connection, "acme", now_us + 1).value();
    for (const billing::UsageRecord& record : unbilled) {
      if (record.plan != "paid_hours") continue;
      REQUIRE(left.Subtract(ComputeTimeCost(book, record).value()).ok());
    }
    return left;
  }
  void CheckLaw() {
    const Money::Columns left = Left().ToColumns();  // rounded down
    INFO("left " << Left().Format());
    if (left.micro >= 0) CHECK(Admits(left.micro));
    CHECK_FALSE(Admits(std::max<int64_t>(0, left.micro + 1)));
    CHECK(Differences() == "");
  }

  std::string QuerySums(const std::string& table) {
    const auto found =
        connection->Run("SELECT SUM(charge_micro), SUM(charge_pico), COUNT(*) FROM " + table, {});
    std::string text = table;
    for (const store::Value& value : found.value().rows[0]) {
      absl::StrAppend(&text, " ", store::IntegerOf(value));
    }
    return text;
  }

  int64_t now_us = kMonth.begin_us();
};

}  // namespace

TEST_CASE_METHOD(PrepaidWorld, "a credit note and usage of another plan leave the balance right") {
  REQUIRE(AddTenant(*connection, {"acme", "", 1}).ok());
  Use("", false);  // on an invoice, not from the balance
  REQUIRE(AddTenant(*connection, {"acme", "prepaid", 1}).ok());
  REQUIRE(SetQuota(*connection, {.tenant = "acme", .prepaid_micro = 20'000}, now_us).ok());
  CheckLaw();
  Use("prepaid", false);
  CheckLaw();
  now_us = kGraceOver;
  REQUIRE(Close(kAcme, now_us).ok());
  CheckLaw();
  REQUIRE(Credit(kAcme, {.id = "n", .amount = Cents(1), .reason = "outage", .at_us = now_us}).ok());
  CheckLaw();
  CHECK(Left().Format() == "0.02");  // 0.02 + 0.01 - 0.009325, and what was rounded of that
}

TEST_CASE("what a request is checked against is the ledger's prepaid balance, after anything") {
  const auto seed = static_cast<uint64_t>(GENERATE(range(1, 9)));
  PrepaidWorld world;
  SeededStream random(seed);
  std::string plan = "prepaid", steps;
  int64_t paid = 0;
  REQUIRE(AddTenant(*world.connection, {"acme", plan, 1}).ok());
  for (int step = 0; step < 30; ++step) {
    world.now_us += 1 + static_cast<int64_t>(random.Next() % (3 * kMicrosecondsPerDay));
    const auto what = random.Next() % 10;
    if (what < 5) {
      world.Use(plan, what == 0);
      steps += what == 0 ? " kill" : " use";
    } else if (what < 7) {
      paid = std::max<int64_t>(0, paid - 5'000 + static_cast<int64_t>(random.Next() % 60'000));
      REQUIRE(SetQuota(*world.connection, {.tenant = "acme", .prepaid_micro = paid}, world.now_us)
                  .ok());
      steps += absl::StrCat(" pay=", paid);
    } else if (what < 8) {
      static constexpr const char* kPlans[] = {"", "prepaid", "hours", "paid_hours"};
      plan = kPlans[random.Next() % 4];
      REQUIRE(AddTenant(*world.connection, {"acme", plan, 1}).ok());
      steps += absl::StrCat(" plan=", plan);
    } else {
      const InvoiceName name{"acme", MonthOf(world.now_us)};
      world.now_us = name.month.end_us() + billing::kInvoiceGraceUs;
      const auto closed = world.Close(name, world.now_us);
      steps += " close";
      if (closed.ok() && closed->state.total.count() > 0) {
        REQUIRE(world
                    .Credit(name, {.id = absl::StrCat("n", step),
                                   .amount = Cents(1),
                                   .reason = "outage",
                                   .at_us = world.now_us})
                    .ok());
        steps += " credit";
      }
    }
    INFO("seed " << seed << ":" << steps);
    world.CheckLaw();
  }
}

TEST_CASE_METHOD(PrepaidWorld,
                 "records that an older version kept get their costs of compute time") {
  const auto sums = [this] {
    return std::pair(Left().Format(), QuerySums("usage") + QuerySums("usage_hour"));
  };
  for (const char* plan : {"hours", "paid_hours", "hours"}) {
    REQUIRE(AddTenant(*connection, {"acme", plan, 1}).ok());
    REQUIRE(SetQuota(*connection, {.tenant = "acme", .prepaid_micro = 100'000}, now_us).ok());
    Use(plan, false);
    now_us += kMicrosecondsPerHour;
  }
  const auto before = sums();
  // As schema version 9 had it, after its migration.
  REQUIRE(
      connection
          ->RunScript("UPDATE usage SET charge_micro = 0, charge_pico = 0; UPDATE usage_hour SET "
                      "charge_micro = 0, charge_pico = 0; UPDATE account SET spent_micro = "
                      "-100000, spent_pico = 0 WHERE period = 0; INSERT INTO setting VALUES("
                      "'compute_costs_due', 1)")
          .ok());
  CHECK(sums() != before);
  for (int starts = 0; starts < 2; ++starts) {
    REQUIRE(AdoptPriceBook(*connection, book, now_us).ok());
    CHECK(sums() == before);
    CheckLaw();
  }
}

}  // namespace waferline::accounts
