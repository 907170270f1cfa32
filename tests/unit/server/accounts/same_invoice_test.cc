// The invoice is the same however the records reached the store, and any change of the tables is
// found.
#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "server/accounts/account_tables.h"
#include "server/accounts/quota_tables.h"
#include "server/metering/usage_batch.h"
#include "tests/unit/server/accounts/invoice_world.h"
#include "wafer_backend/base/seeded_stream.h"

namespace waferline::accounts {

TEST_CASE_METHOD(
    World, "lost acknowledgements, refused commits and broken connections give the same invoice") {
  Serve("acme", 40, kMonth.begin_us());
  const std::string expected = FindInvoice(*connection, book, kAcme).value().text;
  for (uint64_t seed = 1; seed < 5; ++seed) {
    World other;
    store::FaultyStore faulty(other.store.get(),
                              {.lost = 0.3, .refused = 0.3, .broken = 0.05, .seed = seed});
    other.Serve("acme", 40, kMonth.begin_us(), "", &faulty);
    CHECK(faulty.lost + faulty.refused + faulty.broken > 0);
    CHECK(FindInvoice(*other.connection, other.book, kAcme).value().text == expected);
    CHECK(other.Differences().empty());
  }
}

TEST_CASE("each post written 1 to 3 times, in any order and grouping, gives the same invoice") {
  const auto post = [](const World& world, int64_t ordinal) {
    metering::OpenUsage open{.id = {.epoch = 1, .ordinal = ordinal},
                             .subject = {.tenant = "acme", .model = "m", .tier = "default"},
                             .admitted_us = kMonth.begin_us() + ordinal};
    metering::EndedUsage end{.reason = "stop",
                             .counts = {.prompt = ordinal, .generated = 7 * ordinal},
                             .ended_us = kMonth.begin_us() + 1'000'000'000 * ordinal};
    const auto rated = billing::RateForLedger(world.book, metering::RecordOf(open, end)).value();
    end.charge = rated.cost;
    if (rated.transfer) end.entries = rated.transfer->entries;
    return std::pair(open, end);
  };
  std::string expected;
  int refused = 0;
  for (uint64_t seed = 1; seed < 8; ++seed) {
    INFO("seed " << seed);
    World world;
    SeededStream random(seed);
    std::vector<int64_t> order;
    for (int64_t ordinal = 1; ordinal <= 60; ++ordinal) {
      order.insert(order.end(), seed == 1 ? 1 : 1 + random.Next() % 3, ordinal);
    }
    for (size_t i = order.size(); seed > 1 && i > 1; --i) {
      std::swap(order[i - 1], order[random.Next() % i]);
    }
    for (size_t i = 0; i < order.size();) {
      metering::UsageBatch batch;
      for (size_t group = 1 + random.Next() % 40; group > 0 && i < order.size(); --group, ++i) {
        const auto [open, end] = post(world, order[i]);
        if (random.Next() % 2 == 0) batch.Open(open);
        batch.Post(open, end);
      }
      using Steps = metering::UsageBatch::Steps;
      const auto write = [&](Steps steps) {
        return world.Do([&](auto& db) {
          const auto last = batch.Write(db, steps, 1);
          return last.ok() ? db.RunAll(*last).status() : last.status();
        });
      };
      absl::Status written = write(random.Next() % 4 > 0 ? Steps::kAtOnce : Steps::kOneByOne);
      if (!written.ok()) {
        ++refused;
        written = write(Steps::kOneByOne);
      }
      REQUIRE(written.ok());
    }
    const std::string text = FindInvoice(*world.connection, world.book, kAcme).value().text;
    if (seed == 1) expected = text;
    CHECK(text == expected);
    CHECK(world.Differences().empty());
  }
  CHECK(refused > 0);
}

TEST_CASE_METHOD(World, "one flipped digit in any table is found") {
  Serve("acme", 3, kMonth.begin_us());
  REQUIRE(Close(kAcme, kGraceOver).ok());
  REQUIRE(AddTenant(*connection, {"payer", "prepaid", 1}).ok());
  REQUIRE(SetQuota(*connection, {.tenant = "payer", .prepaid_micro = 5'000'000}, 7).ok());
  REQUIRE(Differences().empty());
  const char* const flips[] = {
      "UPDATE usage SET charge_pico = charge_pico + 1 WHERE ordinal = 2",
      "UPDATE usage SET generated = generated + 1 WHERE ordinal = 2",
      "UPDATE usage SET invoice = 0 WHERE ordinal = 2",
      "UPDATE usage_hour SET cached = cached + 1",
      "UPDATE usage_hour SET requests = requests + 1",
      "UPDATE usage_hour SET records = records + 1",
      "UPDATE account SET spent_micro = spent_micro + 1 WHERE period = 0",
      "UPDATE account SET spent_micro = spent_micro + 1 WHERE period = 202609",
      "UPDATE account SET held_micro = 1 WHERE period = 202609",
      "UPDATE quota SET prepaid_micro = prepaid_micro + 1",
      "UPDATE entry SET pico = pico + 1 WHERE transfer = 'usage:1.2.0' AND line = 0",
      "DELETE FROM entry WHERE transfer = 'invoice:acme:2026-09'",
      "UPDATE invoice SET text = replace(text, '0.03', '0.04')"};
  for (const char* flip : flips) {
    INFO(flip);
    REQUIRE(connection->Begin().ok());
    const auto changed = connection->Run(flip, {});
    REQUIRE(changed.ok());
    REQUIRE(changed->changed > 0);
    const auto contents = ReadLedger(*connection);
    REQUIRE(contents.ok());
    CHECK_FALSE(VerifyLedger(book, *contents).clean());
    connection->Rollback();
  }
  CHECK(Differences().empty());
}

}  // namespace waferline::accounts
