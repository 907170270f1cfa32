// Calls of tools as grammars: which texts each form takes.
#include "wafer_backend/compute/grammar/tool_calls.h"

#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

#include "tests/unit/wafer_backend/compute/grammar/byte_vocabulary.h"

namespace waferline::grammar {
namespace {

std::shared_ptr<const TokenConstraint> Calls(ToolCallForm form, bool text_allowed = true) {
  static const GrammarCompiler compiler(std::make_shared<BytesAndTexts>());
  auto calls = std::make_shared<ToolCalls>();
  calls->form = std::move(form);
  calls->tools = {
      {"f", boost::json::parse(R"({"type":"object","required":["s"],"additionalProperties":false,
                                   "properties":{"s":{"type":"string"},"n":{"type":"integer"},
                                                 "e":{"type":"string","enum":["x","y"]}}})")},
      {"g", boost::json::parse(R"({"type":"object","properties":{}})")}};
  calls->text_allowed = text_allowed;
  FindBareArguments(calls.get());
  auto compiled = compiler.Compile({.kind = GrammarSpec::Kind::kToolCalls, .calls = calls});
  INFO(compiled.status());
  REQUIRE(compiled.ok());
  return *std::move(compiled);
}

// With its control token [CALL], where the text has "@".
bool TakesCalls(const TokenConstraint& constraint, std::string_view text) {
  const auto cursor = constraint.Start();
  for (const char c : text) {
    const TokenId id = c == '@' ? kCall : static_cast<TokenId>(static_cast<unsigned char>(c));
    if (!cursor->Allowed()->Contains(id)) return false;
    cursor->Append(id);
  }
  return cursor->Allowed()->Contains(kEnd);
}

TEST_CASE("tagged arguments: bare texts and JSON, in the schema's order") {
  const auto calls = Calls({.name = "tagged",
                            .begin = "<c>",
                            .head = "<f=",
                            .middle = ">",
                            .tail = "</f>",
                            .between = ",",
                            .end = "</c>",
                            .not_in_text = "<c>",
                            .key_begin = "<p=",
                            .key_end = ">",
                            .value_end = "</p>"});
  for (const char* text :
       {"no call", "<c><f=g></f></c>", "I see. <c><f=f><p=s>any \"text\" < here</p></f></c>",
        "<c><f=f><p=s></p><p=n>-3</p><p=e>y</p></f>,<f=g></f></c>"}) {
    INFO(text);
    CHECK(Takes(*calls, text));
  }
  for (const char* text :
       {"<c>", "<c><f=f></f></c>", "<c><f=f><p=s>a</p><p=n>x</p></f></c>",
        "<c><f=f><p=s>a</p><p=e>z</p></f></c>", "<c><f=f><p=n>1</p><p=s>a</p></f></c>",
        "<c><f=g><p=s>a</p></f></c>", "<c><f=h></f></c>", "a <c> b"}) {
    INFO(text);
    CHECK(!Takes(*calls, text));
  }
}

TEST_CASE("a form's control tokens come as such, wherever they are, and not as texts") {
  const auto calls = Calls({.name = "controls",
                            .head = "[CALL]",
                            .middle = ":[CALL]",
                            .tail = ";",
                            .between = "",
                            .controls = {"[CALL]"}});
  CHECK(TakesCalls(*calls, "@g:@{};"));
  CHECK(TakesCalls(*calls, "So: @f:@{\"s\":\"a\"};@g:@{};"));
  CHECK(TakesCalls(*calls, "[CALL]g:[CALL]{};"));  // a text that is no call
  CHECK(!TakesCalls(*calls, "@g:[CALL]{};"));
  CHECK(!TakesCalls(*calls, "@g"));
  CHECK(!TakesCalls(*calls, "@g:@{}; and more"));
}

}  // namespace
}  // namespace waferline::grammar
