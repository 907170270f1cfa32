#include "wafer_backend/base/json_fields.h"

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <limits>
#include <string>

#include "wafer_backend/base/field_error.h"
#include "wafer_backend/base/number_text.h"

namespace waferline {
namespace {

boost::json::object Parse(const char* text) { return boost::json::parse(text).as_object(); }

TEST_CASE("fields are read into their targets; absent ones and null leave them") {
  const auto object = Parse(
      R"({"flag": true, "count": 7, "whole": 8.0, "share": 0.25, "name": "n", "list": [1, 2],
          "inner": {"a": 1}, "nothing": null})");
  JsonFields fields(object);
  bool flag = false, other_flag = true;
  uint32_t count = 0, whole = 0, absent = 5;
  float share = 0;
  std::string name, unnamed = "as it was";
  fields.Require({"flag", "count"});
  fields.Bool("flag", &flag);
  fields.Bool("nothing", &other_flag);
  fields.Int("count", 0, 7, &count);
  fields.Int("whole", 8, 8, &whole);
  fields.Int("absent", 0, 7, &absent);
  fields.Number("share", 0, 1, &share);
  fields.Text("name", 1, &name);
  fields.Text("nothing", 1, &unnamed);
  CHECK(fields.Array("list", 2)->size() == 2);
  CHECK(fields.Object("inner")->size() == 1);
  CHECK(fields.Object("nothing") == nullptr);
  CHECK(!fields.Has("nothing"));
  fields.RefuseOthers(
      {"flag", "count", "whole", "share", "name", "list", "inner", "nothing", "absent"});
  CHECK(fields.status().ToString() == "OK");
  CHECK(flag);
  CHECK(other_flag);
  CHECK(count == 7);
  CHECK(whole == 8);
  CHECK(absent == 5);
  CHECK(share == 0.25f);
  CHECK(name == "n");
  CHECK(unnamed == "as it was");
}

TEST_CASE("an error names the path, what is allowed and what it is; the first one stays") {
  const auto object = Parse(
      R"({"flag": 1, "count": 7, "half": 0.5, "big": 18446744073709551615, "text": "abc", "list": [1, 2],
          "near": 1.0000001})");
  const auto said = [&object](auto read) {
    JsonFields fields(object, "a[2].");
    read(fields);
    fields.Fail("later", "is never seen");
    CHECK(FieldOf(fields.status()).starts_with("a[2]."));
    return std::string(fields.status().message());
  };
  bool flag = false;
  int64_t integer = 0;
  double number = 0;
  std::string text;
  using F = JsonFields;
  CHECK(said([&](F& f) { f.Bool("flag", &flag); }) == "'a[2].flag' must be true or false, not 1");
  CHECK(said([&](F& f) { f.Int("count", 8, 9, &integer); }) ==
        "'a[2].count' must be an integer between 8 and 9, not 7");
  CHECK(said([&](F& f) { f.Int("half", 0, INT64_MAX, &integer); }) ==
        "'a[2].half' must be an integer at least 0, not 0.5");
  CHECK(said([&](F& f) { f.Int("big", 0, 9, &integer); }) ==
        "'a[2].big' must be an integer between 0 and 9, not 18446744073709551615");
  CHECK(said([&](F& f) { f.Int("text", 0, 9, &integer); }) ==
        "'a[2].text' must be an integer between 0 and 9, not a string");
  CHECK(said([&](F& f) { f.Number("half", 1, 2, &number); }) ==
        "'a[2].half' must be a number between 1 and 2, not 0.5");
  CHECK(said([&](F& f) { f.Number("near", 0, 1, &number); }) ==
        "'a[2].near' must be a number between 0 and 1, not 1.0000001");
  CHECK(said([&](F& f) { f.Text("text", 2, &text); }) ==
        "'a[2].text' must have at most 2 bytes, not 3");
  CHECK(said([&](F& f) { f.Text("list", 2, &text); }) ==
        "'a[2].list' must be a string, not an array");
  CHECK(said([&](F& f) { f.Array("list", 1); }) ==
        "'a[2].list' must be an array of at most 1 items, not 2 items");
  CHECK(said([&](F& f) { f.Object("list"); }) == "'a[2].list' must be an object, not an array");
  CHECK(said([&](F& f) { f.Require({"count", "gone"}); }) == "'a[2].gone' is missing");
  CHECK(said([&](F& f) {
          f.RefuseOthers({"flag", "count", "half", "big", "text"});
        }) == "'a[2].list' is not known here; known: flag, count, half, big, text");
}

TEST_CASE("a refused number is written with the digits that tell it from the bound") {
  CHECK(NumberText(1.0) == "1");
  CHECK(NumberText(0.1f) == "0.1");
  CHECK(NumberText(100000.0) == "100000");
  CHECK(NumberText(1.0000001) == "1.0000001");
  CHECK(NumberText(1.0000001f) == "1.0000001");
  CHECK(NumberText(16777217.5) == "16777217.5");
  CHECK(NumberText(std::numeric_limits<double>::infinity()) == "inf");
  CHECK(OutOfRangeText(4294967296, 0, 4294967295) == "is 4294967296, must lie in [0, 4294967295]");
}

}  // namespace
}  // namespace waferline
