#include "server/app/shared_scrapes.h"

#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

namespace waferline::app {
namespace {

// The clock stands until a test moves it; `made` has what was begun and not put.
struct Fixture {
  Nanoseconds now = Seconds(1);
  std::vector<SharedScrapes::Names> made;
  std::vector<std::pair<Nanoseconds, std::function<void()>>> timers;
  std::vector<std::string> replies;
  SharedScrapes scrapes{
      {.make = [this](const auto& names) { made.push_back(names); },
       .now = [this] { return now; },
       .after = [this](Nanoseconds delay, auto task) { timers.emplace_back(now + delay, task); }}};

  void Get(const SharedScrapes::Names& names = {}) {
    scrapes.Get(names, [this](std::string text) { replies.push_back(std::move(text)); });
  }
  void PassTimer() {
    REQUIRE(timers.size() == 1);
    const auto [at, task] = std::exchange(timers, {})[0];
    now = at;
    task();
  }
};

}  // namespace

TEST_CASE("scrapes that ask before a text is begun share it; those after wait for the next") {
  Fixture test;
  test.Get();
  CHECK(test.made.size() == 1);  // at once
  for (int i = 0; i < 100; ++i) test.Get();
  CHECK(test.made.size() == 1);
  CHECK(test.replies.empty());
  test.scrapes.Put({}, "first");
  CHECK(test.replies == std::vector<std::string>{"first"});

  test.Get();
  CHECK(test.made.size() == 1);
  test.PassTimer();
  CHECK(test.now == Seconds(1) + SharedScrapes::kApart);
  CHECK(test.made.size() == 2);
  test.scrapes.Put({}, "second");
  CHECK(test.replies.size() == 102);
  CHECK(test.replies.back() == "second");
  CHECK(test.timers.empty());
}

TEST_CASE("a scrape never gets a text that was begun before it asked") {
  Fixture test;
  test.Get();
  test.scrapes.Put({}, "before");
  test.now = test.now + SharedScrapes::kApart - Nanoseconds(1);
  test.Get();
  CHECK(test.replies.size() == 1);
  test.PassTimer();
  test.scrapes.Put({}, "after");
  CHECK(test.replies.back() == "after");

  test.now = test.now + SharedScrapes::kApart;  // a text that takes longer than that
  test.Get();
  test.now = test.now + SharedScrapes::kApart;
  test.Get();
  test.scrapes.Put({}, "long");
  CHECK(test.replies.size() == 3);
  CHECK(test.timers.empty());
  CHECK(test.made.size() == 4);  // begun when the long one was done
  test.scrapes.Put({}, "next");
  CHECK(test.replies.size() == 4);
}

TEST_CASE("other families are another text") {
  Fixture test;
  test.Get();
  test.Get({"one"});
  CHECK(test.made == std::vector<SharedScrapes::Names>{{}, {"one"}});
  test.scrapes.Put({"one"}, "one");
  test.scrapes.Put({}, "all");
  CHECK(test.replies == std::vector<std::string>{"one", "all"});
  test.Get({"one"});
  CHECK(test.timers.size() == 1);
}

}  // namespace waferline::app
