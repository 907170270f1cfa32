#include "client/cli/frame/arguments.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "client/cli/frame/command.h"
#include "client/cli/frame/program.h"
#include "client/cli/frame/progress.h"

namespace waferline::cli {
namespace {

Command Example() {
  return Command{.words = "model example",
                 .summary = "An example",
                 .operands = {"FILE", "[OTHER]"},
                 .flags = {Switch("all", "everything"), TextFlag("text", "TEXT", "what"),
                           TextFlag("name", "NAME", "who", "demo"),
                           IntegerFlag("max-tokens", "N", "how many", 16, 1, 100),
                           NumberFlag("rate", "R", "how fast", 1.5, 0, 10)}};
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

TEST_CASE("an absent flag gives its fallback and says that it is absent") {
  const auto arguments = Parse({"a", "b"});
  REQUIRE(arguments.ok());
  CHECK(arguments->Integer("max-tokens") == 16);
  CHECK(arguments->Number("rate") == 1.5);
  CHECK(arguments->Text("name") == "demo");
  CHECK(arguments->Texts("text").empty());
  CHECK_FALSE(arguments->Has("text"));
  CHECK_FALSE(arguments->On("all"));
  CHECK_FALSE(arguments->json());
}

TEST_CASE("a flag that stands twice keeps every value") {
  const auto arguments = Parse({"a", "--name", "x", "--name", "y"});
  REQUIRE(arguments.ok());
  CHECK(arguments->Text("name") == "y");
  CHECK(arguments->Texts("name") == std::vector<std::string>{"x", "y"});
}

TEST_CASE("a value may look like a flag, and -- ends the flags") {
  const auto arguments = Parse({"--text", "--all", "--", "--rate"});
  REQUIRE(arguments.ok());
  CHECK(arguments->Text("text") == "--all");
  CHECK_FALSE(arguments->On("all"));
  CHECK(arguments->operand(0) == "--rate");
}

TEST_CASE("a wrong command line is refused with the flag's name and the way out") {
  CHECK(Message({"f", "--max-token", "3"}) ==
        "model example has no flag --max-token; is --max-tokens meant?");
  CHECK(Message({"f", "--jsn"}) == "model example has no flag --jsn; is --json meant?");
  CHECK(Message({"f", "-x"}) == "model example has no flag -x");
  CHECK(Message({"f", "--quite-another-thing"}) ==
        "model example has no flag --quite-another-thing");
  CHECK(Message({"f", "--max-tokens"}) == "--max-tokens wants a value: --max-tokens N");
  CHECK(Message({"f", "--max-tokens", "many"}) ==
        "--max-tokens wants a whole number from 1 to 100, not 'many'");
  CHECK(Message({"f", "--max-tokens", "101"}) ==
        "--max-tokens wants a number from 1 to 100, not 101");
  CHECK(Message({"f", "--rate", "nan"}) == "--rate wants a number from 0 to 10, not 'nan'");
  CHECK(Message({"f", "--all=yes"}) == "--all takes no value");
  CHECK(Message({}) == "model example wants FILE");
  CHECK(Message({"a", "b", "c"}) ==
        "model example does not know what to do with 'c' (flags begin with --)");
}

TEST_CASE("exit codes: 0 done, 1 failed, 2 wrong command line") {
  std::vector<Command> commands = {Example()};
  commands[0].run = [](const Arguments& arguments) {
    if (arguments.On("all")) return UsageError("--all goes with --text");
    return arguments.operand(0) == "good" ? absl::OkStatus() : absl::NotFoundError("no such file");
  };
  const auto run = [&](std::vector<std::string> words) { return RunProgram(commands, words); };
  CHECK(run({"model", "example", "good"}) == 0);
  CHECK(run({"model", "example", "bad"}) == 1);
  CHECK(run({"model", "example", "bad", "--json"}) == 1);
  CHECK(run({"model", "example", "good", "--all"}) == 2);
  CHECK(run({"model", "example"}) == 2);
  CHECK(run({"model"}) == 2);
  CHECK(run({"modle", "example"}) == 2);
  CHECK(run({}) == 2);
  CHECK(run({"--help"}) == 0);
  CHECK(run({"help", "model", "example"}) == 0);
  CHECK(run({"model", "example", "--help"}) == 0);
}

TEST_CASE("the nearest word is a completion or a few letters away") {
  const std::vector<std::string> known = {"bench run", "complete", "chat", "models"};
  CHECK(Nearest("compelte", known) == "complete");
  CHECK(Nearest("mod", known) == "models");
  CHECK(Nearest("xyzzy", known).empty());
}

TEST_CASE("a progress line shows the share that is done and fits its columns") {
  const Progress progress("running", 200, false);
  CHECK(progress.Line(0, "", 80) == "running [............................] 0/200");
  CHECK(progress.Line(100, "9 tokens/s", 80) ==
        "running [##############..............] 100/200  9 tokens/s");
  CHECK(progress.Line(500, "", 80) == "running [############################] 500/200");
  CHECK(progress.Line(100, "9 tokens/s", 20).size() == 20);
  CHECK(Progress("reading", 0, false).Line(17, "", 80) == "reading 17");
  const auto left = [](int64_t done, double elapsed) {
    return Progress::TimeLeft(done, 200, std::chrono::duration<double>(elapsed));
  };
  CHECK(left(0, 1) == "");
  CHECK(left(100, 12) == "12 s");
  CHECK(left(200, 12) == "0 s");
  CHECK(left(1, 1.005) == "3 min 20 s");
  CHECK(left(2, 40) == "1 h 6 min");
  CHECK(Progress::TimeLeft(5, 0, std::chrono::seconds(1)) == "");
}

}  // namespace
}  // namespace waferline::cli
