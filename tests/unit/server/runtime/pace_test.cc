#include "server/runtime/pace.h"

#include <catch2/catch.hpp>
#include <limits>

#include "server/runtime/inbox.h"
#include "wafer_backend/base/seeded_stream.h"

namespace waferline::runtime {
namespace {

TEST_CASE("time ends, and never runs back or over") {
  const Pace pace(1e6, 5, Seconds(7));
  const int64_t hours = 3'600'000'000'000;
  CHECK(pace.InstantAt(2 * hours) < Pace::kEnd);
  for (const int64_t wall : {3 * hours, 1000 * hours, std::numeric_limits<int64_t>::max()}) {
    CHECK(pace.InstantAt(wall) == Pace::kEnd);
  }
}

TEST_CASE("an instant has come at its wall time and not a nanosecond before, at any scale") {
  constexpr uint64_t kSeed = 3;
  CAPTURE(kSeed);
  SeededStream random(kSeed);
  for (int i = 0; i < 20'000; ++i) {
    const double scale = std::exp((random.Uniform() - 0.5) * 8);
    const Pace pace(scale, static_cast<int64_t>(random.Next() % 1'000'000'000'000),
                    Nanoseconds(static_cast<int64_t>(random.Next() % 1'000'000'000)));
    const int64_t base = pace.WallOf(Nanoseconds(0));
    const Nanoseconds instant(static_cast<int64_t>(random.Next() % 10'000'000'000));
    const int64_t wall = pace.WallOf(instant);
    CAPTURE(scale, base, wall, instant.count());
    // Within the rounding of doubles (one part in 2^52), and exactly at scale 1.
    REQUIRE(pace.InstantAt(wall + 1) >= instant - Nanoseconds(1));
    const double slack_ns = 1 + std::max(1.0, scale);
    REQUIRE(pace.InstantAt(wall - 1).as_double() < instant.as_double() + slack_ns);
  }
  const Pace one(1, 500, Nanoseconds(20));
  REQUIRE(one.WallOf(Nanoseconds(120)) == 600);
  REQUIRE(one.InstantAt(599) == Nanoseconds(119));
  REQUIRE(one.InstantAt(600) == Nanoseconds(120));
}

TEST_CASE("the inbox is bounded, says no when closed, and loses no cancel") {
  Inbox inbox(2, 1);
  REQUIRE(inbox.PushRequest({Ticket{1}, {}, 0}) == Inbox::Push::kTaken);
  REQUIRE(inbox.PushRequest({Ticket{2}, {}, 0}) == Inbox::Push::kTaken);
  REQUIRE(inbox.PushRequest({Ticket{3}, {}, 0}) == Inbox::Push::kFull);
  REQUIRE(inbox.PushCall([](engine::Engine&) {}));
  REQUIRE(!inbox.PushCall([](engine::Engine&) {}));
  for (uint64_t i = 0; i < 1000; ++i) inbox.PushCancel(Ticket{i});
  REQUIRE(inbox.awake());
  const Inbox::Content content = inbox.Take();
  REQUIRE(!inbox.awake());
  REQUIRE(content.requests.size() == 2);
  REQUIRE(content.cancels.size() == 1000);
  inbox.Drain();  // refusing is the engine's
  REQUIRE(inbox.PushRequest({Ticket{4}, {}, 0}) == Inbox::Push::kTaken);
  REQUIRE(inbox.Take().draining);
  inbox.Stop();
  REQUIRE(inbox.PushRequest({Ticket{5}, {}, 0}) == Inbox::Push::kClosed);
  REQUIRE(inbox.Close().draining);
}

}  // namespace
}  // namespace waferline::runtime
