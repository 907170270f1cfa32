#include "scheduler/engine/beat_agenda.h"

#include <catch2/catch.hpp>
#include <map>

#include "wafer_backend/base/seeded_stream.h"

namespace waferline::engine {
namespace {

// The obvious agenda: equal instants stand in the order of insertion.
using Obvious = std::multimap<int64_t, uint32_t>;

struct Kind {
  const char* name;
  size_t under_way;
  // How long a beat of this draw (0 .. 1) takes.
  int64_t (*latency_ns)(double draw);
};

const Kind kKinds[] = {
    {"a few, alike", 8, [](double) { return int64_t{1'700'000}; }},
    {"as many as are sorted by insertion", 65, [](double u) { return int64_t(1e6 + 1e6 * u); }},
    {"many, spread", 5'000, [](double u) { return int64_t(1.7e6 + 1.3e6 * u * u); }},
    {"many at few instants", 3'000, [](double u) { return int64_t(u * 5) * 1'000; }},
    {"two speeds, far apart", 2'000,
     [](double u) { return int64_t(u < 0.9 ? 100 + 50 * u : 1e9); }},
    {"a few prompts of seconds", 1'000,
     [](double u) { return int64_t(u < 0.01 ? 5e9 * u * 100 : 2e6 + 1e5 * u); }},
    {"no time at all", 500, [](double) { return int64_t{0}; }},
};

TEST_CASE("beats leave by instant, equal ones in the order of insertion, however many there are") {
  for (const Kind& kind : kKinds) {
    INFO(kind.name);
    BeatAgenda agenda;
    Obvious obvious;
    const SeededStream draws(7);
    uint64_t draw = 0;
    uint32_t name = 0;
    int64_t now_ns = 0;
    const auto insert = [&] {
      const int64_t leaves = now_ns + kind.latency_ns(draws.UniformAt(draw++));
      agenda.Insert(leaves, {SlotIndex{++name}, 0});
      obvious.emplace(leaves, name);
    };
    const auto pop = [&] {
      REQUIRE(agenda.size() == obvious.size());
      REQUIRE(agenda.front().leaves_ns == obvious.begin()->first);
      REQUIRE(agenda.front().sequence.slot == SlotIndex{obvious.begin()->second});
      now_ns = agenda.front().leaves_ns;
      agenda.PopFront();
      obvious.erase(obvious.begin());
    };
    // Fills up, keeps going, runs dry; twice, so that it is found as it was left.
    for (int time = 0; time < 2; ++time) {
      for (size_t i = 0; i < kind.under_way; ++i) {
        insert();
        if (i % 3 == 0) {
          pop();
          insert();
        }
      }
      for (size_t i = 0; i < 6 * kind.under_way; ++i) {
        pop();
        insert();
      }
      while (!obvious.empty()) pop();
      REQUIRE(agenda.empty());
      REQUIRE(agenda.size() == 0);
    }
  }
}

}  // namespace
}  // namespace waferline::engine
