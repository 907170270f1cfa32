// A whole program of two groups: its exit codes, its help, its manual page and its completion.
#include "wafer_backend/base/command_line/program.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "wafer_backend/base/command_line/arguments.h"
#include "wafer_backend/base/command_line/completion.h"
#include "wafer_backend/base/command_line/help.h"
#include "wafer_backend/base/command_line/manual.h"

namespace waferline::cli {
namespace {

Program Example() {
  return {.name = "tool",
          .version = "1.2.3",
          .summary = "an example",
          .groups = {
              {.name = "client",
               .summary = "Use a server",
               .commands = {{.words = "chat", .summary = "Talk"}}},
              {.name = "model",
               .summary = "Look into a file",
               .commands = {
                   {.words = "model show",
                    .summary = "Show a file",
                    .operands = {{"FILE", "the file"}},
                    .flags = {Switch("all", "everything"),
                              ChoiceFlag("as", "FORM", "how", {"text", "tree"}).Default("text"),
                              IntegerFlag("depth", "N", "how deep", {}).With("as", {"tree"})},
                    .examples = {"tool model show x --as tree"},
                    .run = [](const Arguments& arguments) {
                      if (arguments.On("all")) return UsageError("not all");
                      return arguments.operand(0) == "good" ? absl::OkStatus()
                                                            : absl::NotFoundError("no such file");
                    }}}}}};
}

int Run(std::vector<std::string> words) { return RunProgram(Example(), words); }

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("exit codes: 0 done, 1 failed, 2 wrong command line") {
  CHECK(Run({"model", "show", "good"}) == 0);
  CHECK(Run({"model", "show", "bad"}) == 1);
  CHECK(Run({"model", "show", "bad", "--json"}) == 1);
  CHECK(Run({"model", "show", "good", "--all"}) == 2);
  CHECK(Run({"model", "show"}) == 2);
  CHECK(Run({"model"}) == 2);
  CHECK(Run({"modle", "show"}) == 2);
  CHECK(Run({"--all"}) == 2);
  CHECK(Run({}) == 2);
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"--help"},
                                             {"-h"},
                                             {"help"},
                                             {"--version"},
                                             {"version"},
                                             {"version", "--json"},
                                             {"help", "model"},
                                             {"model", "--help"},
                                             {"client", "--help"},
                                             {"help", "model", "show"},
                                             {"model", "show", "--help"},
                                             {"model", "show", "x", "-h"},
                                             {"man"},
                                             {"completion", "bash"}}) {
    CHECK(Run(words) == 0);
  }
  CHECK(Run({"modle", "--help"}) == 2);
  CHECK(Run({"completion", "tcsh"}) == 2);
}

TEST_CASE("help lists commands by group and flags by what they need") {
  const Program program = Example();
  const std::string all = HelpOf(program);
  CHECK(Has(all, "Usage: tool COMMAND [flags]"));
  CHECK(Has(all, "Use a server (client):\n  chat  Talk\n"));
  CHECK(Has(HelpOf(program, program.groups[1]), "Examples:\n  tool model show x --as tree\n"));
  const std::string show = HelpOf(program, program.groups[1].commands[0]);
  CHECK(Has(show, "Usage: tool model show FILE [flags]"));
  CHECK(Has(show, "  --as FORM  how (text, tree) [default: text]\n"));
  CHECK(Has(show, "With --as tree:\n  --depth N  how deep\n"));
}

TEST_CASE("the manual page has every command and escapes what troff would read") {
  Program program = Example();
  program.groups[0].commands[0].summary = "It's a \\ test";
  const std::string manual = ManualOf(program);
  CHECK(manual.starts_with(".TH tool 1 "));
  CHECK(Has(manual, ".SS tool model show\nShow a file.\n"));
  CHECK(Has(manual, "It\\(aqs a \\e test."));
  CHECK(Has(manual, ".B \\-\\-as FORM\n"));
}

TEST_CASE("there is a completion for three shells") {
  for (const std::string& shell : CompletionShells()) {
    const auto script = CompletionOf(Example(), shell);
    REQUIRE(script.ok());
    CHECK(Has(*script, "model show"));
    CHECK(Has(*script, "text tree"));
  }
  CHECK(IsUsageError(CompletionOf(Example(), "tcsh").status()));
}

}  // namespace
}  // namespace waferline::cli
