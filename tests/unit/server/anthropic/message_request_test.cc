// Bodies of /v1/messages: the same request as a chat under other names.
#include "server/anthropic/message_request.h"

#include <catch2/catch.hpp>

#include "server/openai/api_error.h"
#include "tests/unit/server/openai/byte_model.h"

namespace waferline::anthropic {
namespace {

using openai::ErrorBody;
using openai::ErrorShape;
using openai::ParsedRequest;

const openai::Envelope kEnvelope = {.request_id = "r1", .fallback_seed = 77};

const text::ModelCatalog& Catalog() {
  static const text::ModelCatalog catalog = openai::ByteCatalog();
  return catalog;
}

absl::StatusOr<ParsedRequest> Ask(const std::string& fields) {
  return ParseMessages("{\"model\":\"bytes\",\"max_tokens\":9," + fields + "}", kEnvelope,
                       Catalog());
}

std::string PromptOf(const absl::StatusOr<ParsedRequest>& parsed) {
  CAPTURE(parsed.status().ToString());
  REQUIRE(parsed.ok());
  return Catalog().all()[0]->tokenizer->Decode(*parsed->requests[0].prompt, false);
}

std::string ChatPrompt(const std::string& fields) {
  return PromptOf(openai::ParseChat("{\"model\":\"bytes\"," + fields + "}", kEnvelope, Catalog()));
}

const std::string kHi = R"("messages":[{"role":"user","content":"hi"}])";

}  // namespace

TEST_CASE("messages are a chat's conversation") {
  CHECK(PromptOf(Ask(kHi)) == ChatPrompt(kHi));
  CHECK(PromptOf(Ask(R"("system":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}},
                                 {"type":"text","text":"b"}],
        "messages":[{"role":"user","content":[{"type":"text","text":"c"},{"type":"text","text":"d"}]},
                    {"role":"user","content":"e"},
                    {"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":""},
                                                   {"type":"text","text":"f"}]},
                    {"role":"user","content":"g"}])")) ==
        ChatPrompt(R"("messages":[{"role":"system","content":"a\nb"},
                                  {"role":"user","content":"c\nd\ne"},
                                  {"role":"assistant","content":"f"},
                                  {"role":"user","content":"g"}])"));
}

TEST_CASE("uses of tools and their results are calls and a tool's messages") {
  CHECK(PromptOf(Ask(R"("tools":[{"name":"f","description":"d","input_schema":
            {"type":"object","properties":{"a":{"type":"integer"}}}}],
          "messages":[{"role":"user","content":"hi"},
            {"role":"assistant","content":[{"type":"text","text":"I look."},
              {"type":"tool_use","id":"u1","name":"f","input":{"a":1}},
              {"type":"tool_use","id":"u2","name":"f","input":{}}]},
            {"role":"user","content":[
              {"type":"tool_result","tool_use_id":"u1","content":[{"type":"text","text":"one"}]},
              {"type":"tool_result","tool_use_id":"u2","is_error":true,"content":"no"},
              {"type":"text","text":"go on"}]}])")) ==
        ChatPrompt(R"("tools":[{"type":"function","function":{"name":"f","description":"d",
            "parameters":{"type":"object","properties":{"a":{"type":"integer"}}}}}],
          "messages":[{"role":"user","content":"hi"},
            {"role":"assistant","content":"I look.","tool_calls":[
              {"id":"u1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},
              {"id":"u2","type":"function","function":{"name":"f","arguments":"{}"}}]},
            {"role":"tool","tool_call_id":"u1","content":"one"},
            {"role":"tool","tool_call_id":"u2","content":"Error: no"},
            {"role":"user","content":"go on"}])"));
}

TEST_CASE("fields under this protocol's names have a chat's effect") {
  const auto parsed = Ask(
      kHi + R"(,"temperature":0.5,"top_k":3,"top_p":0.5,"stream":true,"stop_sequences":["x","y"],
         "metadata":{"user_id":"u"},"service_tier":"standard_only",
         "thinking":{"type":"enabled","budget_tokens":2000},
         "output_config":{"effort":"low","format":{"type":"json_schema","schema":{"type":"null"}}})");
  CAPTURE(parsed.status().ToString());
  REQUIRE(parsed.ok());
  CHECK(parsed->shape.id == "msg_r1");
  CHECK(parsed->shape.stream);
  CHECK(parsed->shape.text.stop == std::vector<std::string>{"x", "y"});
  CHECK(parsed->shape.text.ends == std::vector<std::string>{"<|im_end|>"});
  CHECK(parsed->requests[0].max_tokens == 9);
  CHECK(parsed->requests[0].sampling.temperature == 0.5f);
  CHECK(parsed->requests[0].sampling.top_k == 3);
  CHECK(parsed->constraint.has_value());
  CHECK(parsed->requests[0].tier == ServiceTier::kDefault);
  CHECK(parsed->warning ==
        "thinking_budget without effect: this answer has no reasoning; fields without effect: "
        "output_config.effort");
  const std::string tool = R"(,"tools":[{"name":"f","input_schema":{"type":"object"}}])";
  CHECK(Ask(kHi + tool + R"(,"tool_choice":{"type":"tool","name":"f"})")->shape.calls);
  CHECK(Ask(kHi + tool + R"(,"tool_choice":{"type":"any","disable_parallel_tool_use":true})")
            ->shape.calls);
  CHECK(!Ask(kHi + tool + R"(,"tool_choice":{"type":"none"})")->shape.calls);
}

TEST_CASE("errors name the fields of this protocol") {
  const std::pair<std::string, const char*> kBad[] = {
      {R"("messages":[])", "messages"},
      {R"("messages":[1])", "messages[0]"},
      {R"("messages":[{"role":"system","content":"a"}])", "messages[0].role"},
      {R"("messages":[{"role":"user"}])", "messages[0].content"},
      {R"("messages":[{"role":"user","content":[{"type":"image"}]}])",
       "messages[0].content[0].type"},
      {R"("messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"u"}]}])",
       "messages[0].content[0].tool_use_id"},
      {R"("messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}])",
       "messages"},
      {kHi + R"(,"system":[{"type":"image"}])", "system[0].type"},
      {kHi + R"(,"temperature":1.5)", "temperature"},
      {kHi + R"(,"stop_sequences":[""])", "stop_sequences[0]"},
      {kHi + R"(,"thinking":{"type":"maybe"})", "thinking.type"},
      {kHi + R"(,"service_tier":"flex")", "service_tier"},
      {kHi + R"(,"tools":[{"type":"bash_20250124","name":"bash"}])", "tools[0].type"},
      {kHi + R"(,"tools":[{"name":"f"}])", "tools[0].input_schema"},
      {kHi + R"(,"tools":[{"name":"f g","input_schema":{}}])", "tools[0].name"},
      {kHi + R"(,"tools":[{"name":"f","input_schema":{"type":"null"}}])", "tools[0].input_schema"},
      {kHi + R"(,"tool_choice":{"type":"tool"})", "tool_choice.name"},
      {kHi + R"(,"output_config":{"format":{"type":"json_schema","schema":{"type":"x"}}})",
       "output_config.format.schema"},
      {kHi + R"(,"mcp_servers":[{}])", "mcp_servers"},
      {kHi + R"(,"waferline":{"instants":true})", "waferline.instants"},
  };
  for (const auto& [fields, field] : kBad) {
    CAPTURE(fields);
    auto parsed = Ask(fields);
    if (parsed.ok()) {
      if (const auto status = openai::CompileConstraint(&*parsed); !status.ok()) parsed = status;
    }
    REQUIRE(!parsed.ok());
    CHECK(ErrorBody(parsed.status()).find("\"param\":\"" + std::string(field) + "\"") !=
          std::string::npos);
    CHECK(
        ErrorBody(parsed.status(), ErrorShape::kAnthropic)
            .starts_with(R"({"type":"error","error":{"type":"invalid_request_error","message":")"));
  }
  const std::pair<const char*, const char*> kMeant[] = {{"sytem", "system"},
                                                        {"stop_sequence", "stop_sequences"},
                                                        {"max_token", "max_tokens"},
                                                        {"thinkin", "thinking"}};
  for (const auto& [field, meant] : kMeant) {
    CHECK(ErrorBody(Ask(kHi + ",\"" + field + "\":1").status())
              .find("did you mean '" + std::string(meant) + "'?") != std::string::npos);
  }
  const auto unlimited = ParseMessages("{\"model\":\"bytes\"," + kHi + "}", kEnvelope, Catalog());
  CHECK(ErrorBody(unlimited.status()).find("'max_tokens' is missing") != std::string::npos);
}

TEST_CASE("tokens are counted as they are used, also beyond the context") {
  const auto counted =
      CountTokens("{\"model\":\"bytes\",\"system\":\"s\"," + kHi + "}", Catalog(), 0);
  REQUIRE(counted.ok());
  const auto parsed = Ask("\"system\":\"s\"," + kHi);
  CHECK(*counted ==
        "{\"input_tokens\":" + std::to_string(parsed->requests[0].prompt->size()) + "}");
  const std::string letters(5000, 'a');
  const std::string body =
      R"({"model":"bytes","max_tokens":5,"messages":[{"role":"user","content":")" + letters +
      "\"}]}";
  CHECK(CountTokens(body, Catalog(), 0)->starts_with("{\"input_tokens\":50"));
  CHECK(ErrorBody(ParseMessages(body, kEnvelope, Catalog()).status(), ErrorShape::kAnthropic)
            .find("\"message\":\"prompt is too long: ") != std::string::npos);
}

}  // namespace waferline::anthropic
