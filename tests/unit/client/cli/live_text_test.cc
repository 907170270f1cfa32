#include "client/cli/serving/live_text.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <catch2/catch.hpp>
#include <string>

namespace waferline::cli {
namespace {

namespace json = boost::json;

// Three requests in flight, and so many that ended, the last one last.
json::object Look(int ended) {
  json::array requests;
  for (int i = 0; i < ended; ++i) {
    requests.push_back(json::object{
        {"id", "ended-" + std::to_string(i)}, {"model", "m"}, {"end", "stop"}, {"ended_ms", i}});
  }
  for (const char* id : {"live-1", "live-2", "live-3"}) {
    requests.push_back(json::object{{"id", id}, {"model", "m"}, {"phase", "decode"}});
  }
  return {{"state", "ready"},
          {"models", json::array{json::object{{"model", "m"}, {"now_ms", 1e6}}}},
          {"requests", std::move(requests)}};
}

int Count(const std::string& text, const std::string& part) {
  int count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST_CASE("a look on a pipe shows all requests in flight, and a bounded number that ended") {
  for (const int ended : {0, 7, 500}) {
    const std::string text = TopText({}, Look(ended), {200, 1000});
    CHECK(Count(text, "live-") == 3);
    CHECK(Count(text, "ended-") == std::min(ended, static_cast<int>(kMaxTopEnded)));
    if (ended > 0) CHECK(Count(text, "ended-" + std::to_string(ended - 1)) == 1);
  }
}

TEST_CASE("requests are those in flight, or all that a look has") {
  CHECK(Count(RequestsText(Look(500), 0), "ended-") == 0);
  CHECK(Count(RequestsText(Look(500), SIZE_MAX), "ended-") == 500);
}

}  // namespace
}  // namespace waferline::cli
