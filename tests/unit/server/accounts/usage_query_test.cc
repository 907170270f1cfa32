// Laws of the usage API's pages: joined they are the whole, and buckets are half open.
#include "server/accounts/usage_query.h"

#include <catch2/catch.hpp>

#include "server/metering/usage_batch.h"
#include "tests/unit/server/store/temporary_store.h"
#include "wafer_backend/base/seeded_stream.h"

namespace waferline::accounts {
namespace {

constexpr int64_t kSecondUs = 1'000'000, kHourUs = 3600 * kSecondUs, kDayUs = 24 * kHourUs;
constexpr int64_t kStartUs = 20'700 * kDayUs;  // a day of UTC begins, in September 2026

struct UsageWorld {
  UsageWorld() : store(store::OpenStore(folder.Url(), store::Durability::kProcess).value()) {
    connection = store->Connect().value();
  }
  void Add(int64_t ended_us, int64_t generated) {
    batch.Post(
        {.id = {.epoch = 1, .ordinal = ++ordinal},
         .subject = {.tenant = tenant, .model = ordinal % 2 == 0 ? "a" : "b", .tier = "default"},
         .admitted_us = ended_us},
        {.reason = "stop", .counts = {.generated = generated}, .ended_us = ended_us});
  }
  void Write() {
    REQUIRE(connection->Begin().ok());
    const auto last = batch.Write(*connection, metering::UsageBatch::Steps::kOneByOne, 1);
    REQUIRE(last.ok());
    REQUIRE(connection->CommitAfter(*last).ok());
  }
  std::vector<UsageBucket> Ask(UsageQuery query) { return QueryUsage(*connection, query).value(); }
  static int64_t SumOf(const std::vector<UsageBucket>& buckets) {
    int64_t sum = 0;
    for (const UsageBucket& bucket : buckets) {
      for (const UsageSums& sums : bucket.sums) sum += sums.generated;
    }
    return sum;
  }

  store::StoreFolder folder;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<store::Connection> connection;
  metering::UsageBatch batch;
  int64_t ordinal = 0;
  std::string tenant = "t";
};

}  // namespace

TEST_CASE_METHOD(UsageWorld, "a bucket has its begin and not its end, and days are those of UTC") {
  Add(kStartUs, 1);
  Add(kStartUs + kDayUs - 1, 10);
  Add(kStartUs + kDayUs, 100);
  Write();
  for (const int64_t width : {60 * kSecondUs, kHourUs, kDayUs}) {
    const auto buckets = Ask({.start_us = kStartUs,
                              .end_us = kStartUs + kDayUs,
                              .width_us = width,
                              .buckets = kDayUs / width});
    CHECK(SumOf(buckets) == 11);
    CHECK(buckets.front().start_us == kStartUs);
    CHECK(buckets.back().end_us == kStartUs + kDayUs);
    CHECK(buckets.front().sums.size() == 1);
    CHECK(buckets.back().sums.size() == 1);
    const auto next = Ask({.start_us = kStartUs + kDayUs, .width_us = width, .buckets = 1});
    CHECK(SumOf(next) == 100);
  }
}

TEST_CASE_METHOD(UsageWorld, "a tenant that there is not is named, unless it is the caller's own") {
  Add(kStartUs, 1);
  Write();
  UsageQuery query{.start_us = kStartUs, .width_us = kHourUs, .buckets = 1};
  auto& tenants = query.only[static_cast<size_t>(UsageBy::kTenant)];
  tenants = {"t"};
  CHECK(SumOf(Ask(query)) == 1);
  tenants = {"t", "nosuch"};
  const absl::Status status = QueryUsage(*connection, query).status();
  CHECK(absl::IsNotFound(status));
  CHECK(status.message() == "there is no tenant 'nosuch', nor usage of it");
  query.OnlyOfCaller("nosuch");
  CHECK(SumOf(Ask(query)) == 0);
}

TEST_CASE_METHOD(UsageWorld, "no-tenant is the tenant of a server without keys") {
  tenant = "";
  Add(kStartUs, 1);
  Write();
  UsageQuery query{.start_us = kStartUs, .width_us = kHourUs, .buckets = 1};
  query.only[static_cast<size_t>(UsageBy::kTenant)] = {"no-tenant"};
  CHECK(SumOf(Ask(query)) == 1);
}

TEST_CASE("pages of any size joined are the whole, with any groups") {
  for (uint64_t seed = 1; seed < 20; ++seed) {
    INFO("seed " << seed);
    UsageWorld world;
    SeededStream random(seed);
    int64_t total = 0;
    for (int i = 0; i < 60; ++i) {
      const auto generated = static_cast<int64_t>(random.Next() % 1000);
      total += generated;
      world.Add(kStartUs + static_cast<int64_t>(random.Next() % (3 * kDayUs)), generated);
    }
    world.Write();
    UsageQuery query{.start_us = kStartUs,
                     .width_us = random.Next() % 2 == 0 ? kHourUs : kDayUs,
                     .buckets = 1 + static_cast<int64_t>(random.Next() % 10)};
    if (random.Next() % 2 == 0) query.group_by = {UsageBy::kModel};
    std::vector<UsageBucket> joined;
    while (query.start_us < kStartUs + 3 * kDayUs) {
      const std::vector<UsageBucket> page = world.Ask(query);
      REQUIRE(page.size() == static_cast<size_t>(query.buckets));
      joined.insert(joined.end(), page.begin(), page.end());
      query.start_us = page.back().end_us;
    }
    CHECK(UsageWorld::SumOf(joined) == total);
    for (size_t i = 1; i < joined.size(); ++i) CHECK(joined[i].start_us == joined[i - 1].end_us);
  }
}

}  // namespace waferline::accounts
