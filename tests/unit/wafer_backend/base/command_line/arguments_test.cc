#include "wafer_backend/base/command_line/arguments.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "wafer_backend/base/command_line/command.h"

namespace waferline::cli {
namespace {

Command Example() {
  return {
      .words = "model example",
      .summary = "An example",
      .operands = {{"FILE", "the file"}, {"[OTHER]", "another file"}, {"[HOW]", "", {"by_row"}}},
      .flags = {Switch("all", "everything"), TextFlag("text", "TEXT", "what"),
                TextFlag("name", "NAME", "who").Default("demo").Alias("called"),
                IntegerFlag("max-tokens", "N", "how many", {1, 100}).Default(16),
                NumberFlag("rate", "R", "how fast", {0, 10}).Default(1.5),
                TextFlag("also", "NAME", "who else").Repeatable(), Switch("json", "as JSON")}};
}

absl::StatusOr<Arguments> Parse(std::vector<std::string> words) {
  return Arguments::Parse(Example(), words);
}

std::string Message(std::vector<std::string> words) {
  const auto parsed = Parse(std::move(words));
  REQUIRE_FALSE(parsed.ok());
  CHECK(IsUsageError(parsed.status()));
  return std::string(parsed.status().message());
}

TEST_CASE("flags are read in both spellings, operands in order") {
  const auto arguments =
      Parse({"a.gguf", "--max-tokens", "7", "--text=x=y", "--all", "--rate", "2", "--json"});
  REQUIRE(arguments.ok());
  CHECK(arguments->operands() == std::vector<std::string>{"a.gguf"});
  CHECK(arguments->Integer("max-tokens") == 7);
  CHECK(arguments->Text("text") == "x=y");
  CHECK(arguments->On("all"));
  CHECK(arguments->Number("rate") == 2.0);
  CHECK(arguments->json());
}

TEST_CASE("an absent flag gives its default and says that it is absent") {
  const auto arguments = Parse({"a", "b"});
  REQUIRE(arguments.ok());
  CHECK(arguments->Integer("max-tokens") == 16);
  CHECK(arguments->Number("rate") == 1.5);
  CHECK(arguments->Text("name") == "demo");
  CHECK_FALSE(arguments->Has("text"));
  CHECK_FALSE(arguments->On("all"));
  CHECK_FALSE(arguments->json());
}

TEST_CASE("a repeatable flag keeps every value, another one may be given once") {
  const auto arguments = Parse({"a", "--also", "x", "--also", "y"});
  REQUIRE(arguments.ok());
  CHECK(arguments->Texts("also") == std::vector<std::string>{"x", "y"});
  CHECK(Parse({"a"})->Texts("also").empty());
  CHECK(Message({"a", "--name", "x", "--called", "y", "--name=x"}) ==
        "--name is given 3 times, must be given once: 'x' and 'y'");
}

TEST_CASE("a value may look like a flag, and -- ends the flags") {
  const auto arguments = Parse({"--text", "--all", "--", "--rate"});
  REQUIRE(arguments.ok());
  CHECK(arguments->Text("text") == "--all");
  CHECK_FALSE(arguments->On("all"));
  CHECK(arguments->operand(0) == "--rate");
}

TEST_CASE("a dash in a flag's name may be typed as an underscore, an alias instead of the name") {
  const auto arguments = Parse({"a", "--max_tokens", "7", "--called=x"});
  REQUIRE(arguments.ok());
  CHECK(arguments->Integer("max-tokens") == 7);
  CHECK(arguments->Text("name") == "x");
}

TEST_CASE("values and operands are taken as they are") {
  const auto arguments = Parse({"[a, b]", "--text=", "-", "--name", "--rate"});
  REQUIRE(arguments.ok());
  CHECK(arguments->operands() == std::vector<std::string>{"[a, b]", "-"});
  CHECK(arguments->Text("text").empty());
  CHECK(arguments->Has("text"));
  CHECK(arguments->Text("name") == "--rate");
  CHECK_FALSE(arguments->Has("rate"));
}

TEST_CASE("a wrong command line is refused with the flag's name and what is allowed") {
  CHECK(Message({"f", "--max-token", "3"}) ==
        "model example: unknown flag --max-token; did you mean '--max-tokens'?");
  CHECK(Message({"f", "--max_token=3"}) ==
        "model example: unknown flag --max_token; did you mean '--max-tokens'?");
  CHECK(Message({"f", "--jsn"}) == "model example: unknown flag --jsn; did you mean '--json'?");
  CHECK(Message({"f", "-x"}) == "model example: unknown flag -x");
  CHECK(Parse({"f", "g", "by-row"}).ok());
  CHECK(Message({"f", "g", "by_rwo"}) ==
        "model example: [HOW]: 'by_rwo' is not allowed, must be one of: by_row; did you mean "
        "'by_row'?");
  CHECK(Message({"f", "--quite-another-thing"}) ==
        "model example: unknown flag --quite-another-thing");
  CHECK(Message({"f", "--max-tokens"}) == "--max-tokens needs a value: --max-tokens N");
  CHECK(Message({"f", "--max-tokens", "many"}) ==
        "--max-tokens: 'many' is not a whole number in [1, 100]");
  CHECK(Message({"f", "--max-tokens", "101"}) ==
        "--max-tokens: 101 is out of range, must be in [1, 100]");
  CHECK(Message({"f", "--rate", "nan"}) == "--rate: 'nan' is not a number in [0, 10]");
  CHECK(Message({"f", "--all=yes"}) == "--all takes no value");
  CHECK(Message({}) == "model example: FILE is missing");
  CHECK(Message({"a", "b", "by_row", "c"}) ==
        "model example: unexpected word 'c' (flags begin with --)");
}

absl::StatusOr<Arguments> ParseWorker(std::vector<std::string> words) {
  const Command worker{
      .words = "worker",
      .flags = {
          ChoiceFlag("role", "ROLE", "what it does", {"serve", "shard", "prefill"})
              .Default("serve"),
          TextFlag("config", "FILE", "the configuration").Default("a").With("role", {"serve"}),
          TextFlag("model", "FILE", "the model").Required().With("role", {"shard", "prefill"}),
          Switch("fast", "skip checks").With("config")}};
  return Arguments::Parse(worker, words);
}

std::string WorkerMessage(std::vector<std::string> words) {
  const auto parsed = ParseWorker(std::move(words));
  CHECK_FALSE(parsed.ok());
  return std::string(parsed.status().message());
}

TEST_CASE("a flag that would not be read is refused, and a needed one that is missing") {
  CHECK(ParseWorker({}).ok());
  CHECK(ParseWorker({"--role", "shard", "--model", "m"}).ok());
  CHECK(WorkerMessage({"--model", "m"}) ==
        "--model has no effect with --role serve (the default), only with --role shard or prefill");
  CHECK(WorkerMessage({"--role", "prefill", "--model", "m", "--config", "c"}) ==
        "--config has no effect with --role prefill, only with --role serve");
  CHECK(WorkerMessage({"--role", "shard"}) ==
        "worker: --model FILE is required with --role shard: the model");
  CHECK(WorkerMessage({"--fast"}) == "--fast has no effect without --config");
  CHECK(WorkerMessage({"--role", "shrad"}) ==
        "--role: 'shrad' is not allowed, must be one of: serve, shard, prefill; did you mean "
        "'shard'?");
}

}  // namespace
}  // namespace waferline::cli
