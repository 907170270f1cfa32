#include "server/store/writer.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <thread>

#include "tests/unit/server/store/temporary_store.h"

namespace waferline::store {
namespace {

Nanoseconds Now() {
  return Nanoseconds(std::chrono::steady_clock::now().time_since_epoch().count());
}

Writer::Options Plain(Nanoseconds patience = Seconds(30)) {
  return {.patience = patience, .now = Now};
}

// Counts once for each number, however often it runs.
Writer::Work Count(int64_t number) {
  return [number](Connection& connection) {
    const auto inserted = connection.Run(
        "INSERT INTO seen(number) VALUES($1) ON CONFLICT(number) DO NOTHING", {number});
    if (!inserted.ok() || inserted->changed == 0) return inserted.status();
    return connection.Run("UPDATE total SET sum = sum + $1", {number}).status();
  };
}

struct World {
  World() {
    auto opened = OpenStore(folder.Url(), Durability::kProcess);
    WL_CHECK(opened.ok());
    real = *std::move(opened);
    WL_CHECK(Reader()
                 ->RunScript("CREATE TABLE seen(number BIGINT PRIMARY KEY); CREATE TABLE total(sum "
                             "BIGINT); INSERT INTO total VALUES(0)")
                 .ok());
  }
  std::unique_ptr<Connection> Reader() { return real->Connect().value(); }
  int64_t Total() { return IntegerOf(Reader()->Run("SELECT sum FROM total", {})->rows[0][0]); }

  StoreFolder folder;
  std::unique_ptr<Store> real;
};

// The one that a store that was idle has to spare.
void CommitFirst(Writer* writer) {
  writer->Post(Count(0), nullptr);
  WL_CHECK(writer->Flush(Seconds(30)));
}

}  // namespace

TEST_CASE("a flush ends though its last group holds more than it waits for") {
  World world;
  Writer writer(world.real.get(), Plain());
  REQUIRE(writer.Start().ok());
  std::atomic<bool> busy{false}, release{false};
  const auto pause = [] { std::this_thread::sleep_for(std::chrono::milliseconds(1)); };
  writer.Post(
      [&](Connection&) {
        for (busy = true; !release;) pause();
        return absl::OkStatus();
      },
      [](const absl::Status&) {});
  while (!busy) pause();
  writer.Post(Count(1), nullptr);
  std::thread later([&] {
    for (int i = 0; i < 50; ++i) pause();  // so that Flush waits for the first two only
    writer.Post(Count(2), nullptr);
    release = true;
  });
  CHECK(writer.Flush(Seconds(30)));
  later.join();
}

TEST_CASE("what waits together is committed together, and done runs after the commit") {
  World world;
  // Time stands still: after the first commit only a full group, or Flush, is due.
  Writer writer(world.real.get(), {.now = [] { return Nanoseconds(0); }});
  REQUIRE(writer.Start().ok());
  CommitFirst(&writer);
  constexpr int kPieces = 2000;
  std::atomic<int> confirmed{0}, early{0};
  for (int64_t i = 1; i <= kPieces; ++i) {
    writer.Post(Count(i), [&, i](const absl::Status& status) {
      ++confirmed;
      if (i % 500 != 0) return;
      const auto found = world.Reader()->Run("SELECT 1 FROM seen WHERE number = $1", {i});
      if (!status.ok() || found->rows.empty()) ++early;
    });
  }
  REQUIRE(writer.Flush(Seconds(30)));
  CHECK(confirmed == kPieces);
  CHECK(early == 0);
  CHECK(world.Total() == int64_t{kPieces} * (kPieces + 1) / 2);
  CHECK(writer.figures().pieces == kPieces + 1);
  CHECK(writer.figures().commits <= kPieces / Writer::kMaxGroup + 2);
}

TEST_CASE("what waits is committed at once when nothing more may come") {
  World world;
  std::atomic<bool> more{true};
  // Time stands still: after the first commit none is due.
  Writer writer(world.real.get(), {.now = [] { return Nanoseconds(0); },
                                   .more_may_come = [&] { return more.load(); }});
  REQUIRE(writer.Start().ok());
  CommitFirst(&writer);
  std::atomic<int> confirmed{0};
  const auto count = [&](const absl::Status& status) { confirmed += status.ok() ? 1 : 0; };
  writer.Post(Count(1), count);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(confirmed == 0);
  more = false;
  writer.Post(Count(2), count);
  for (int i = 0; i < 30'000 && confirmed < 2; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  CHECK(confirmed == 2);
  CHECK(writer.figures().commits == 2);
}

TEST_CASE("lost answers, refused commits and repeats give the same sums") {
  const uint64_t seed = GENERATE(range(1, 9));
  INFO("seed " << seed);
  World world;
  FaultyStore faulty(world.real.get(), {.lost = 0.2, .refused = 0.2, .seed = seed});
  Writer writer(&faulty, Plain());
  REQUIRE(writer.Start().ok());
  constexpr int kPieces = 300;
  std::atomic<int> confirmed{0};
  for (int64_t i = 1; i <= kPieces; ++i) {
    for (int64_t again = 0; again <= i % 3; ++again) {  // repeated, and out of order
      writer.Post(Count((i * 7) % kPieces + 1),
                  [&](const absl::Status& status) { confirmed += status.ok() ? 1 : 0; });
    }
    if (i % 10 == 0) REQUIRE(writer.Flush(Seconds(30)));
  }
  REQUIRE(writer.Flush(Seconds(60)));
  CHECK(confirmed == kPieces * 2);
  CHECK(world.Total() == int64_t{kPieces} * (kPieces + 1) / 2);
  CHECK(faulty.lost > 0);
  CHECK(faulty.refused > 0);
  CHECK(writer.figures().in_doubt == static_cast<uint64_t>(faulty.lost));
}

TEST_CASE("a database that is gone: callers are not blocked, patience ends, nothing is lost") {
  World world;
  FaultyStore faulty(world.real.get(), {});
  std::atomic<int64_t> clock{0};  // stands still until the test moves it
  const auto wait_until = [](const std::function<bool()>& holds) {
    for (int i = 0; i < 12'000 && !holds(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return holds();
  };
  Writer writer(&faulty, {.patience = Seconds(1), .now = [&] { return Nanoseconds(clock); }});
  REQUIRE(writer.Start().ok());
  CommitFirst(&writer);  // so that the next is due when the clock has moved
  faulty.gone = true;
  std::atomic<int> overdue{0};
  for (int64_t i = 1; i <= 10; ++i) {
    writer.Post(Count(i), [&](const absl::Status& status) {
      if (absl::IsUnavailable(status)) ++overdue;
    });
  }
  CHECK(writer.MayAdmit().ok());
  clock = Seconds(10).count();
  CHECK(wait_until([&] { return overdue == 10 && writer.figures().retries > 0; }));
  clock = Seconds(20).count();
  CHECK_THAT(std::string(writer.MayAdmit().message()),
             Catch::Contains("has taken no record for 10 s") && Catch::Contains("on purpose"));
  faulty.gone = false;
  REQUIRE(writer.Flush(Seconds(60)));
  CHECK(writer.MayAdmit().ok());
  CHECK(world.Total() == 55);
  CHECK(writer.figures().overdue == 10);
}

TEST_CASE("work without a reader waits as long as it may, and goes with what is due before it") {
  World world;
  std::atomic<int64_t> clock{0};
  Writer writer(world.real.get(), {.now = [&] { return Nanoseconds(clock); }});
  REQUIRE(writer.Start().ok());
  writer.Post(Count(1), nullptr, Seconds(5));
  writer.Post(Count(2), nullptr);  // 20 ms
  clock = Milliseconds(19).count();
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  CHECK(writer.figures().commits == 0);
  clock = Milliseconds(20).count();
  for (int i = 0; i < 12'000 && writer.figures().pieces < 2; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  CHECK(writer.figures().commits == 1);  // both
  CHECK(world.Total() == 3);
}

TEST_CASE("a full queue refuses admissions; what is posted all the same is kept") {
  World world;
  FaultyStore faulty(world.real.get(), {});
  Writer::Options options = Plain();
  options.max_queue = 20;
  Writer writer(&faulty, options);
  REQUIRE(writer.Start().ok());
  faulty.gone = true;
  writer.Post(Count(1), nullptr);
  for (int64_t i = 2; i <= 22; ++i) writer.Post(Count(i), nullptr);
  CHECK_THAT(std::string(writer.MayAdmit().message()), Catch::Contains("records wait for it"));
  faulty.gone = false;
  REQUIRE(writer.Flush(Seconds(30)));
  CHECK(world.Total() == 253);
}

TEST_CASE("work that refuses, or that is wrong, ends alone") {
  World world;
  Writer writer(world.real.get(), Plain());
  REQUIRE(writer.Start().ok());
  absl::Status refused, wrong;
  writer.Post(Count(1), nullptr);
  writer.Post([](Connection&) { return absl::NotFoundError("no such tenant"); },
              [&](const absl::Status& status) { refused = status; });
  writer.Post([](Connection& connection) { return connection.RunScript("SELECT * FROM nothing"); },
              [&](const absl::Status& status) { wrong = status; });
  writer.Post(Count(2), nullptr);
  REQUIRE(writer.Flush(Seconds(30)));
  CHECK(absl::IsNotFound(refused));
  CHECK(absl::IsInternal(wrong));
  CHECK(world.Total() == 3);
  CHECK(writer.figures().failed == 1);
}

}  // namespace waferline::store
