#include "wafer_backend/base/timeline.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <tuple>
#include <vector>

#include "wafer_backend/base/seeded_stream.h"

namespace waferline {
namespace {

struct Recorder : EventTarget {
  explicit Recorder(Timeline* clock) : timeline(clock) {}
  void OnEvent(uint64_t payload) override { seen.emplace_back(timeline->now().count(), payload); }
  Timeline* timeline;
  std::vector<std::pair<int64_t, uint64_t>> seen;
};

TEST_CASE("events come by instant, then priority, then order of scheduling") {
  constexpr uint64_t kSeed = 7;
  CAPTURE(kSeed);
  SeededStream random(kSeed);
  Timeline timeline;
  Recorder recorder(&timeline);
  std::vector<std::tuple<int64_t, int, uint64_t>> expected;
  for (uint64_t i = 0; i < 5000; ++i) {
    const int64_t at = static_cast<int64_t>(random.Next() % 100);
    const int priority = static_cast<int>(random.Next() % 4);
    timeline.Schedule(Nanoseconds(at), static_cast<Priority>(priority), &recorder, i);
    expected.emplace_back(at, priority, i);
  }
  std::sort(expected.begin(), expected.end());
  while (!timeline.empty()) timeline.DeliverNext();
  REQUIRE(recorder.seen.size() == expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    REQUIRE(recorder.seen[i].first == std::get<0>(expected[i]));
    REQUIRE(recorder.seen[i].second == std::get<2>(expected[i]));
  }
}

struct Chain : EventTarget {
  explicit Chain(Timeline* clock) : timeline(clock) {}
  void OnEvent(uint64_t payload) override {
    instants.push_back(timeline->now().count());
    if (payload > 0) {
      timeline->Schedule(timeline->now() + Nanoseconds(5), Priority::kDevice, this, payload - 1);
    }
  }
  Timeline* timeline;
  std::vector<int64_t> instants;
};

TEST_CASE("an event may schedule the next one, also at the same instant") {
  Timeline timeline;
  Chain chain(&timeline);
  timeline.Schedule(Nanoseconds(3), Priority::kArrival, &chain, 2);
  while (!timeline.empty()) timeline.DeliverNext();
  REQUIRE(chain.instants == std::vector<int64_t>{3, 8, 13});
  timeline.AdvanceTo(Nanoseconds(20));
  REQUIRE(timeline.now() == Nanoseconds(20));
  REQUIRE(timeline.delivered() == 3);
}

}  // namespace
}  // namespace waferline
