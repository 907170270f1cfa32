#include "scheduler/search/fleet_search.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <random>
#include <set>

#include "scheduler/search/rate_search.h"

namespace waferline::search {
namespace {

// Fleets of `a` and `b`: cost and truth are given, and every trial is counted.
struct World {
  std::vector<Axis> axes;
  std::vector<Candidate> candidates;
  std::vector<bool> holds;
  std::set<size_t> tried;

  TryAll Try() {
    return [this](std::span<const size_t> indices) {
      std::vector<Verdict> verdicts;
      for (const size_t i : indices) {
        REQUIRE(tried.insert(i).second);  // each at most once
        verdicts.push_back({holds[i], !holds[i]});
      }
      return verdicts;
    };
  }
  std::optional<size_t> BruteForce() const {
    std::optional<size_t> best;
    for (size_t i = 0; i < candidates.size(); ++i) {
      if (holds[i] && (!best || candidates[i].cost < candidates[*best].cost)) best = i;
    }
    return best;
  }
};

World MakeWorld(const std::vector<std::string>& axes,
                const std::function<double(const Place&)>& cost,
                const std::function<bool(const Place&)>& holds) {
  World world{.axes = *ParseAxes(axes)};
  for (const Place& place : AllPlaces(world.axes)) {
    world.candidates.push_back({place, cost(place)});
    world.holds.push_back(holds(place));
  }
  return world;
}

TEST_CASE("on one ordered field the search is a bisection") {
  for (uint32_t need = 0; need <= 1000; need += 37) {
    World world = MakeWorld(
        {"a=1:1000"}, [](const Place& p) { return p[0]; },
        [&](const Place& p) { return p[0] >= need; });
    const SearchResult found =
        FindCheapest(world.axes, world.candidates, {.at_a_time = 1}, world.Try());
    REQUIRE(found.best == world.BruteForce());
    REQUIRE(found.tried <= 12);
    REQUIRE(found.tried + found.inferred + found.costlier == 1000);
    REQUIRE(!found.refuted);
  }
}

TEST_CASE("on random monotone grids the search finds what brute force finds, with fewer trials") {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 draw(seed);
    std::uniform_real_distribution<double> uniform(0.5, 3);
    const double ca = uniform(draw), cb = uniform(draw), na = 6 * uniform(draw),
                 nb = 6 * uniform(draw);
    World world = MakeWorld(
        {"a=1:20", "b=1:20", "kind=x,y"},
        [&](const Place& p) { return ca * p[0] + cb * p[1] + (p[2] == 0 ? 3 : 0); },
        [&](const Place& p) {
          return p[0] >= na / (p[2] == 0 ? 2 : 1) && p[1] >= nb && p[0] * p[1] > 40;
        });
    const SearchResult found =
        FindCheapest(world.axes, world.candidates, {.at_a_time = 1 + seed % 3}, world.Try());
    REQUIRE(found.best == world.BruteForce());
    REQUIRE(found.tried < 200);
  }
}

TEST_CASE("nothing holds: that is found without trying everything, and not by exhaustion") {
  World world = MakeWorld(
      {"a=1:30", "b=1:30"}, [](const Place& p) { return p[0] + p[1]; },
      [](const Place&) { return false; });
  const SearchResult found = FindCheapest(world.axes, world.candidates, {}, world.Try());
  REQUIRE(!found.best);
  REQUIRE(found.tried < 60);
  world.tried.clear();
  REQUIRE(FindCheapest(world.axes, world.candidates, {.exhaustive = true}, world.Try()).tried ==
          900);
}

TEST_CASE("an inference that is refuted is taken back, and the answer is right") {
  // 4 (index 3) holds although 5 fails; index 5 is where the bisection ends.
  World world = MakeWorld(
      {"a=1:9"}, [](const Place& p) { return p[0]; },
      [](const Place& p) { return p[0] == 3 || p[0] >= 5; });
  const SearchResult found =
      FindCheapest(world.axes, world.candidates, {.at_a_time = 1}, world.Try());
  REQUIRE(found.best == world.BruteForce());
  REQUIRE(found.best == 3u);
  REQUIRE(found.refuted);
}

TEST_CASE("one that fails for its speed says nothing about smaller ones") {
  // More wafers are slower: only the smaller ones hold.
  World world = MakeWorld(
      {"a=1:9"}, [](const Place& p) { return p[0]; },
      [](const Place& p) { return p[0] >= 1 && p[0] <= 2; });
  const SearchResult found = FindCheapest(world.axes, world.candidates, {.at_a_time = 1},
                                          [&](std::span<const size_t> indices) {
                                            std::vector<Verdict> verdicts;
                                            for (const size_t i : indices)
                                              verdicts.push_back({world.holds[i], i < 1});
                                            return verdicts;
                                          });
  REQUIRE(found.best == 1u);
}

Trial Served(double factor, double limit) {
  Trial trial{.offered = 100, .holds = factor <= limit};
  trial.completed_per_second = std::min(10 * factor, 10 * 3.0);
  return trial;
}

TEST_CASE("the highest rate is found to 2 %, above and below the start") {
  for (const double limit : {0.1, 0.9, 1.0, 1.5, 7.3, 500.0}) {
    const auto found = HighestRate(1, [&](double f) { return Served(f, limit); });
    REQUIRE(found.ok());
    REQUIRE(found->factor <= limit);
    REQUIRE(found->factor * 1.02 >= limit);
    REQUIRE(found->points.size() < 24);
  }
  REQUIRE(HighestRate(1, [](double f) { return Served(f, 1e9); })->unbounded);
  REQUIRE(HighestRate(1, [](double f) { return Served(f, 0); })->factor == 0);
}

TEST_CASE("saturation is what is completed when more load brings no more") {
  const auto most = Saturate(1, [](double f) { return Served(f, 1); });
  REQUIRE(most.ok());
  REQUIRE(most->trial.completed_per_second == Approx(30));
}

}  // namespace
}  // namespace waferline::search
