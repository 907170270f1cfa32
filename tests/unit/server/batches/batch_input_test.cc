#include "server/batches/batch_input.h"

#include <catch2/catch.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/batches/batch.h"

namespace waferline::batches {
namespace {

constexpr char kInputEndpoint[] = "/v1/chat/completions";

std::string LineOf(const std::string& id, const std::string& body = "{}") {
  return absl::StrCat(R"({"custom_id":")", id, R"(","method":"POST","url":")", kInputEndpoint,
                      R"(","body":)", body, "}\n");
}

}  // namespace

TEST_CASE("lines are numbered as they lie in the file, and bad ones say what is wrong") {
  const std::string text = absl::StrCat(
      "\xef\xbb\xbf", LineOf("a", R"({"n":1})"), "\n  \r\n", "{\"custom_id\":\n", "[1]\n",
      LineOf("a"), R"({"custom_id":"b","method":"GET","url":"/v1/chat/completions","body":{}})",
      "\n", R"({"custom_id":"c","method":"POST","url":"/v1/models","body":{}})", "\n",
      R"({"custom_id":"d","method":"POST","url":"/v1/chat/completions"})", "\n",
      LineOf("e", R"({"stream":true})"),
      R"({"custom_id":"f","method":"POST","url":"/v1/chat/completions","body":{},"x":1})", "\n",
      R"({"custom_id":"g","method":"POST","url":"/v1/chat/completions","body":{"seed":18446744073709551615}})");
  const auto input = ReadInput(text, kInputEndpoint);
  REQUIRE(input.ok());
  REQUIRE(input->lines.size() == 2);
  CHECK(input->lines[0].number == 1);
  CHECK(input->lines[1].number == 12);
  const auto read = [&](const Line& line) {
    return ReadLine(std::string_view(text).substr(line.begin, line.size));
  };
  CHECK(read(input->lines[0]).custom_id == "a");
  CHECK(read(input->lines[0]).body == R"({"n":1})");
  CHECK(read(input->lines[1]).body == R"({"seed":18446744073709551615})");
  struct Expected {
    int64_t line;
    std::string code, words;
  };
  const Expected expected[] = {{4, "invalid_json", "line 4: is not a JSON object"},
                               {5, "invalid_json", "it is not an object"},
                               {6, "duplicate_custom_id", "custom_id"},
                               {7, "invalid_request", "method"},
                               {8, "invalid_request", "url"},
                               {9, "invalid_request", "body"},
                               {10, "invalid_request", "body.stream"},
                               {11, "invalid_request", "x"}};
  REQUIRE(input->faults.size() == 8);
  for (size_t i = 0; i < input->faults.size(); ++i) {
    INFO(input->faults[i].message);
    CHECK(input->faults[i].line == expected[i].line);
    CHECK(input->faults[i].code == expected[i].code);
    CHECK_THAT(input->faults[i].message, Catch::Contains(expected[i].words));
  }
}

TEST_CASE("an input without lines, and one with too many, is refused") {
  CHECK_THAT(std::string(ReadInput("\n \n", kInputEndpoint).status().message()),
             Catch::Contains("no lines"));
  std::string many;
  for (size_t i = 0; i <= kMaxLines; ++i) many += "x\n";
  CHECK_THAT(std::string(ReadInput(many, kInputEndpoint).status().message()),
             Catch::Contains("more than 50000 lines"));
  many.resize(many.size() - 2);
  CHECK(ReadInput(many, kInputEndpoint).ok());
}

}  // namespace waferline::batches
