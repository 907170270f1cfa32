#include "server/app/scrape_cache.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace waferline::app {

TEST_CASE("scrapes at once are made once, and those soon after get the same text") {
  ScrapeCache cache;
  int made = 0;
  std::vector<std::string> replies;
  const auto get = [&](Nanoseconds now, const ScrapeCache::Names& names) {
    cache.Get(
        now, names, [&](std::string text) { replies.push_back(text); }, [&] { ++made; });
  };
  const Nanoseconds begin = Seconds(1);
  for (int i = 0; i < 100; ++i) get(begin, {});
  CHECK(made == 1);
  CHECK(replies.empty());
  get(begin, {"one"});  // other families are another text
  CHECK(made == 2);
  cache.Put(begin, {}, "all");
  CHECK(replies == std::vector<std::string>(100, "all"));
  cache.Put(begin, {"one"}, "one");
  CHECK(replies.back() == "one");

  const Nanoseconds last = begin + ScrapeCache::kFresh - Nanoseconds(1);
  get(last, {});
  CHECK(made == 2);
  CHECK(replies.back() == "all");
  get(begin + ScrapeCache::kFresh, {});
  CHECK(made == 3);
  cache.Put(begin + ScrapeCache::kFresh, {}, "new");
  CHECK(replies.back() == "new");
  CHECK(replies.size() == 103);
}

}  // namespace waferline::app
