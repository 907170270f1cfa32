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

TEST_CASE("keyword arguments of Python, with its literals") {
  ToolCallForm form{.name = "python",
                    .begin = "[",
                    .middle = "(",
                    .tail = ")",
                    .between = ", ",
                    .end = "]",
                    .not_in_text = "^\\[",
                    .only_alone = true,
                    .key_end = "=",
                    .separator = ", ",
                    .python = true};
  const auto calls = Calls(form);
  for (const char* text : {"no [call]", "[g()]", "[f(s=\"a)\")]", "[f(s=\"\", n=-3, e=\"x\"), g()]",
                           "[f(s=\"\", e=\"y\")]"}) {
    INFO(text);
    CHECK(Takes(*calls, text));
  }
  for (const char* text : {"[", "[f()]", "[f(n=1, s=\"\")]", "[f(s=\"a\",n=1)]", "[f(s=\"a\", )]",
                           "[f(, s=\"a\")]", "[f(s=a)]", "[g()], [g()]"}) {
    INFO(text);
    CHECK(!Takes(*calls, text));
  }
  static const GrammarCompiler compiler(std::make_shared<BytesAndTexts>());
  auto any = std::make_shared<ToolCalls>();
  any->form = form;
  any->tools = {{"f", boost::json::parse(R"({"properties":{
      "a":{"type":["boolean","null"]},"b":{"enum":[true,[null,"true"]]},
      "c":{"type":"array","items":{"type":"boolean"}}}})")}};
  const auto literals = compiler.Compile({.kind = GrammarSpec::Kind::kToolCalls, .calls = any});
  for (const char* text : {"[f(a=True, b=[None,\"true\"], c=[True, False])]", "[f(a=None)]",
                           "[f(b=True)]", "[f(c=[])]", "[f()]"}) {
    INFO(text);
    CHECK(Takes(**literals, text));
  }
  for (const char* text : {"[f(a=true)]", "[f(a=null)]", "[f(b=[null,\"true\"])]"}) {
    CHECK(!Takes(**literals, text));
  }
}

TEST_CASE("texts in messages: asides, then a last one or a call") {
  const ToolCallForm form{.name = "channels",
                          .head = "[CALL]to ",
                          .middle = "[CALL]",
                          .not_in_text = "\\[CALL\\]",
                          .controls = {"[CALL]"},
                          .one_call = true,
                          .aside_begin = "[CALL]think[CALL]",
                          .aside_end = "[CALL]end",
                          .text_begin = "[CALL]say[CALL]"};
  const auto calls = Calls(form);
  CHECK(TakesCalls(*calls, "@say@hello"));
  CHECK(TakesCalls(*calls, "@think@hm@end@think@ha@end@say@"));
  CHECK(TakesCalls(*calls, "@think@hm@end@to g@{}"));
  CHECK(TakesCalls(*calls, "@to f@{\"s\":\"a\"}"));
  for (const char* text : {"hello", "@think@hm", "@think@hm@end", "@to g@{}@to g@{}", "@say@a@end",
                           "@to h@{}", "@say@a@to g@{}"}) {
    INFO(text);
    CHECK(!TakesCalls(*calls, text));
  }
  const auto forced = Calls(form, false);
  CHECK(TakesCalls(*forced, "@to g@{}"));
  CHECK(!TakesCalls(*forced, "@think@hm@end@to g@{}"));
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
  CHECK(TakesCalls(*calls, "[CALL]g:[CALL]{};"));  // a text that is not a call
  CHECK(!TakesCalls(*calls, "@g:[CALL]{};"));
  CHECK(!TakesCalls(*calls, "@g"));
  CHECK(!TakesCalls(*calls, "@g:@{}; and more"));
}

}  // namespace
}  // namespace waferline::grammar
