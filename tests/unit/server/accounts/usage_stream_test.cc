// The stream of usage: every record once, in its epoch's order, whatever pages it is read in.
#include "server/accounts/usage_stream.h"

#include <catch2/catch.hpp>

#include "server/metering/usage_batch.h"
#include "server/store/epoch.h"
#include "tests/unit/server/store/temporary_store.h"

namespace waferline::accounts {
namespace {

constexpr int64_t kStreamNowUs = 1'790'000'000'000'000;
constexpr int64_t kStreamDayUs = 24LL * 3600 * 1'000'000;

struct StreamWorld {
  StreamWorld() : store(store::OpenStore(folder.Url(), store::Durability::kProcess).value()) {
    connection = store->Connect().value();
  }
  int64_t StartEpoch() { return store::StartEpoch(*connection, "here", kStreamNowUs).value(); }
  void Post(int64_t epoch, int64_t ordinal, const std::string& tenant = "t") {
    metering::UsageBatch batch;
    batch.Post({.id = {.epoch = epoch, .ordinal = ordinal},
                .subject = {.tenant = tenant, .model = "m", .tier = "default"},
                .admitted_us = kStreamNowUs},
               {.reason = "stop", .counts = {.generated = ordinal}, .ended_us = kStreamNowUs});
    const auto last = batch.Write(*connection, metering::UsageBatch::Steps::kOneByOne, ++positions);
    REQUIRE(last.ok());
    REQUIRE(connection->RunAll(*last).ok());
  }
  UsagePage Read(const UsageCursor& from, int64_t count = 100,
                 const std::vector<std::string>& tenants = {}, int64_t now_us = kStreamNowUs) {
    return ReadUsageStream(*connection, {from, tenants, now_us, count}).value();
  }

  store::StoreFolder folder;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<store::Connection> connection;
  int64_t positions = 0;
};

std::vector<std::string> IdsOf(const UsagePage& page) {
  std::vector<std::string> ids;
  for (const StreamedUsage& usage : page.records) ids.push_back(usage.record.id);
  return ids;
}

}  // namespace

TEST_CASE("pages of any size joined are all records, each once, also those that come late") {
  StreamWorld world;
  const int64_t first = world.StartEpoch(), second = world.StartEpoch();
  for (const int64_t ordinal : {3, 1, 2}) world.Post(first, ordinal);
  world.Post(second, 1);
  for (int64_t size = 1; size < 6; ++size) {
    UsageCursor cursor;
    std::vector<std::string> ids;
    for (;;) {
      // As a client keeps it: as text, from the last record that it took.
      const UsagePage page = world.Read(UsageCursor::Parse(cursor.Text()).value(), size);
      if (page.records.empty()) break;
      for (const std::string& id : IdsOf(page)) ids.push_back(id);
      cursor = page.records.back().cursor;
    }
    CHECK(ids == std::vector<std::string>{"1.3.0", "1.1.0", "1.2.0", "2.1.0"});
  }
  const UsageCursor after = world.Read({}).next;
  world.Post(first, 4);  // by a server that had lost its connection
  world.Post(second, 2);
  CHECK(IdsOf(world.Read(after)) == std::vector<std::string>{"1.4.0", "2.2.0"});
}

TEST_CASE("a filter passes over other tenants' records, and the page's cursor with it") {
  StreamWorld world;
  const int64_t epoch = world.StartEpoch();
  world.Post(epoch, 1, "a");
  world.Post(epoch, 2, "b");
  const UsagePage page = world.Read({}, 100, {"a"});
  CHECK(IdsOf(page) == std::vector<std::string>{"1.1.0"});
  CHECK(page.next.PositionIn(epoch) == 2);
  CHECK(world.Read(page.next, 100, {"b"}).records.empty());
}

TEST_CASE("epochs that ended long ago leave the cursor") {
  StreamWorld world;
  const int64_t first = world.StartEpoch(), second = world.StartEpoch();
  world.Post(first, 1);
  world.Post(second, 1);
  REQUIRE(store::EndEpoch(*world.connection, first, kStreamNowUs).ok());
  CHECK(world.Read({}).next.Text() == "0;1:1,2:2");
  const UsagePage later = world.Read({}, 100, {}, kStreamNowUs + kStreamDayUs);
  CHECK(later.records.size() == 2);
  CHECK(later.next.Text() == "2;2:2");
  CHECK(later.records.back().cursor.first_epoch() == 2);
  CHECK(world.Read(later.next).records.empty());
}

TEST_CASE("what is not a cursor is refused") {
  for (const char* text :
       {"x", "1", "1;2", "1;2:", "1;2:3:4", "1;2:3,2:4", "5;2:3", "-1;", ";1:1"}) {
    INFO(text);
    CHECK(absl::IsInvalidArgument(UsageCursor::Parse(text).status()));
  }
  CHECK(UsageCursor::Parse(std::string(UsageCursor::kMaxBytes + 1, '1')).ok() == false);
  CHECK(UsageCursor::Parse("7;8:120,9:31")->Text() == "7;8:120,9:31");
  CHECK(UsageCursor::Parse("")->Text() == "0;");
}

}  // namespace waferline::accounts
