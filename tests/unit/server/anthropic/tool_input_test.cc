// The input of a call that was cut anywhere: whole members of it, and more of them the later the
// cut.
#include "server/anthropic/tool_input.h"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <catch2/catch.hpp>

namespace waferline::anthropic {
namespace {

namespace json = boost::json;

json::object Input(std::string_view arguments) {
  return json::parse(ToolInput(arguments)).as_object();
}

}  // namespace

TEST_CASE("a cut at any byte leaves members of the whole, with their values") {
  const std::string text =
      R"({"a, b": "x\"},{\"y", "n": -12.5e3, "l": [1, {"k": "]"}], "o": {"p": {"q": 1}, "r": "s"}, "t": true, "e": ""})";
  const json::object whole = json::parse(text).as_object();
  size_t before = 0;
  for (size_t length = 0; length <= text.size(); ++length) {
    CAPTURE(text.substr(0, length));
    const json::object cut = Input(std::string_view(text).substr(0, length));
    for (const auto& [name, value] : cut) CHECK(whole.at(name) == value);
    CHECK(cut.size() >= before);
    before = cut.size();
  }
  CHECK(before == 6);
}

TEST_CASE("where a member is whole") {
  CHECK(Input(R"({"a": "x")").size() == 1);   // its string has ended
  CHECK(Input(R"({"a": "x)").empty());        // it has not
  CHECK(Input(R"({"a": 12)").empty());        // 123 may have come
  CHECK(Input(R"({"a": 12, )").size() == 1);  // it has not
  CHECK(Input(R"({"a": 1, "b": {"c": 2})").size() == 2);
  CHECK(Input(R"({"a": 1, "b": {"c": 2)").size() == 1);
  for (const char* other :
       {"", "{", "[1, 2]", "null", "a=1", R"({"a": 1,, "b)", R"({"a": x, )", "}}}}"}) {
    CHECK(ToolInput(other) == "{}");
  }
}

}  // namespace waferline::anthropic
