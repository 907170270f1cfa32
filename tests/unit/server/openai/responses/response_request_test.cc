// Bodies of /v1/responses: the same request as a chat under other names, and conversations that go
// on.
#include "server/openai/responses/response_request.h"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <catch2/catch.hpp>

#include "server/openai/api_error.h"
#include "tests/unit/server/openai/byte_model.h"

namespace waferline::openai {
namespace {

namespace json = boost::json;

const Envelope kEnvelope = {.request_id = "r1", .tenant = "t", .fallback_seed = 77};

struct Door {
  text::ModelCatalog catalog = ByteCatalog();
  ResponseStore store;

  absl::StatusOr<ParsedRequest> Ask(const std::string& fields) {
    return ParseResponse("{\"model\":\"bytes\"," + fields + "}", kEnvelope, catalog, &store);
  }
  std::string Prompt(const std::string& fields) {
    const auto parsed = Ask(fields);
    CAPTURE(fields, parsed.status().ToString());
    REQUIRE(parsed.ok());
    return catalog.all()[0]->tokenizer->Decode(*parsed->requests[0].prompt, false);
  }
  std::string ChatPrompt(const std::string& messages) {
    const auto parsed =
        ParseChat("{\"model\":\"bytes\",\"messages\":" + messages + "}", kEnvelope, catalog);
    REQUIRE(parsed.ok());
    return catalog.all()[0]->tokenizer->Decode(*parsed->requests[0].prompt, false);
  }
  std::string Error(const std::string& fields) { return ErrorBody(Ask(fields).status()); }
};

constexpr char kTool[] =
    R"("tools":[{"type":"function","name":"f","description":"d","strict":true,
        "parameters":{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}}])";

}  // namespace

TEST_CASE("input is a chat's conversation") {
  Door door;
  CHECK(door.Prompt(R"("input":"hi")") == door.ChatPrompt(R"([{"role":"user","content":"hi"}])"));
  CHECK(door.Prompt(R"("input":"hi","instructions":"be brief")") ==
        door.ChatPrompt(
            R"([{"role":"system","content":"be brief"},{"role":"user","content":"hi"}])"));
  CHECK(door.Prompt(R"("instructions":"be brief","input":[{"role":"developer","content":"ok"},
                       {"type":"message","role":"user","content":[{"type":"input_text","text":"h"},
                        {"type":"input_text","text":"i"}]},
                       {"type":"reasoning","id":"rs_1","summary":[],
                        "content":[{"type":"reasoning_text","text":"hm"}]},
                       {"role":"assistant","content":[{"type":"output_text","text":"yes"}]},
                       {"role":"user","content":"go on"}])") ==
        door.ChatPrompt(R"([{"role":"developer","content":"be brief\n\nok"},
                           {"role":"user","content":"hi"},{"role":"assistant","content":"yes"},
                           {"role":"user","content":"go on"}])"));
}

TEST_CASE("calls and their outputs are an assistant's message and a tool's") {
  Door door;
  CHECK(door.Prompt(std::string(kTool) + R"(,"input":[{"role":"user","content":"hi"},
          {"role":"assistant","content":"I look."},
          {"type":"function_call","call_id":"c1","name":"f","arguments":"{\"a\":1}"},
          {"type":"function_call","call_id":"c2","name":"f","arguments":"{\"a\":2}"},
          {"type":"function_call_output","call_id":"c1","output":"one"},
          {"type":"function_call_output","call_id":"c2","output":[{"type":"input_text","text":"two"}]}
        ])") == [&] {
    const auto parsed = ParseChat(
        R"({"model":"bytes","messages":[{"role":"user","content":"hi"},
         {"role":"assistant","content":"I look.","tool_calls":[
          {"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},
          {"id":"c2","type":"function","function":{"name":"f","arguments":"{\"a\":2}"}}]},
         {"role":"tool","tool_call_id":"c1","content":"one"},
         {"role":"tool","tool_call_id":"c2","content":"two"}],
         "tools":[{"type":"function","function":{"name":"f","description":"d","strict":true,
         "parameters":{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}}}]})",
        kEnvelope, door.catalog);
    REQUIRE(parsed.ok());
    return door.catalog.all()[0]->tokenizer->Decode(*parsed->requests[0].prompt, false);
  }());
}

TEST_CASE("fields under this protocol's names have a chat's effect") {
  Door door;
  const auto parsed = door.Ask(
      R"("input":"hi","max_output_tokens":9,"temperature":0.5,"top_p":0.25,"stream":true,"seed":5,
         "stop":"x","metadata":{"a":"b"},"include":["reasoning.encrypted_content"],"user":"u",
         "stream_options":{"include_obfuscation":false},"truncation":"disabled",
         "text":{"format":{"type":"json_schema","name":"n","strict":true,"schema":{"type":"null"}}},
         "prompt_cache_key":"k","reasoning":{"effort":"none","summary":"auto"})");
  CAPTURE(parsed.status().ToString());
  REQUIRE(parsed.ok());
  CHECK(parsed->warning.empty());
  CHECK(parsed->shape.id == "resp_r1");
  CHECK(parsed->shape.stream);
  const ValidRequest& request = parsed->requests[0];
  CHECK(request.max_tokens == 9);
  CHECK(request.sampling.temperature == 0.5f);
  CHECK(request.sampling.top_p == 0.25f);
  CHECK(request.sampling.seed == 5);
  CHECK(parsed->constraint.has_value());
  auto bad = door.Ask(
      R"("input":"hi","text":{"format":{"type":"json_schema","name":"n","schema":{"a":1}}})");
  REQUIRE(bad.ok());
  CHECK(ErrorBody(CompileConstraint(&*bad)).find("\"param\":\"text.format") != std::string::npos);
  CHECK(
      door.Ask(std::string(kTool) + R"(,"input":"hi","tool_choice":{"type":"function","name":"f"})")
          ->shape.calls);
  CHECK(door.Ask(R"("input":"hi","new_field":1)")->warning == "fields without effect: new_field");
}

TEST_CASE("errors name the fields of this protocol") {
  Door door;
  const std::pair<const char*, const char*> kBad[] = {
      {R"("x":1)", "input"},
      {R"("input":[])", "input"},
      {R"("input":[1])", "input[0]"},
      {R"("input":[{"type":"item_reference","id":"m"}])", "input[0].type"},
      {R"("input":[{"role":"king","content":"a"}])", "input[0].role"},
      {R"("input":[{"role":"user"}])", "input[0].content"},
      {R"("input":[{"role":"user","content":[{"type":"input_image"}]}])",
       "input[0].content[0].type"},
      {R"("input":[{"role":"user","content":[{"type":"input_text"}]}])",
       "input[0].content[0].text"},
      {R"("input":[{"type":"function_call","call_id":"c","name":"f"}])", "input[0].arguments"},
      {R"("input":[{"type":"function_call_output","call_id":"c","output":"a"}])",
       "input[0].call_id"},
      {R"("input":[{"type":"reasoning","summary":[1]}])", "input[0].summary"},
      {R"("input":"a","tools":[{"type":"web_search"}])", "tools[0].type"},
      {R"("input":"a","tools":[{"type":"function"}])", "tools[0].name"},
      {R"("input":"a","tools":[{"type":"function","name":"f","parameters":{"type":"null"}}])",
       "tools[0].parameters"},
      {R"("input":"a","tool_choice":{"type":"file_search"})", "tool_choice"},
      {R"("input":"a","text":{"format":{"type":"xml"}})", "text.format.type"},
      {R"("input":"a","text":{"format":{"type":"json_schema","name":"n"}})", "text.format.schema"},
      {R"("input":"a","text":{"shape":1})", "text.shape"},
      {R"("input":"a","text":{"verbosity":"high"})", "text.verbosity"},
      {R"("input":"a","max_output_tokens":0)", "max_output_tokens"},
      {R"("input":"a","truncation":"auto")", "truncation"},
      {R"("input":"a","include":["message.output_text.logprobs"])", "include"},
      {R"("input":"a","n":2)", "n"},
      {R"("input":"a","messages":[{}])", "messages"},
      {R"("input":"a","background":true)", "background"},
      {R"("input":"a","store":1)", "store"},
      {R"("input":"a","previous_response_id":"resp_9")", "previous_response_id"},
      {R"("input":"a","waferline":{"instants":true})", "waferline.instants"},
  };
  for (const auto& [fields, param] : kBad) {
    CAPTURE(fields);
    CHECK(door.Error(fields).find("\"param\":\"" + std::string(param) + "\"") != std::string::npos);
  }
  CHECK(door.Error(R"("input":"a","previous_response_id":"resp_9")")
            .find("\"code\":\"previous_response_not_found\"") != std::string::npos);
  CHECK(
      door.Error("\"input\":\"" + std::string(2000, 'a') + "\"").find("context_length_exceeded") !=
      std::string::npos);
}

TEST_CASE("misspelled fields are refused, others as configured") {
  Door door;
  const std::pair<const char*, const char*> kMeant[] = {
      {"instuctions", "instructions"},
      {"previous_respons_id", "previous_response_id"},
      {"max_output_token", "max_output_tokens"},
      {"temprature", "temperature"},
      {"inputs", "input"},
      {"tool_choise", "tool_choice"}};
  for (const auto& [field, meant] : kMeant) {
    CHECK(door.Error("\"input\":\"hi\",\"" + std::string(field) + "\":1")
              .find("did you mean '" + std::string(meant) + "'?") != std::string::npos);
  }
  CHECK(door.Ask(R"("input":"hi","brand_new_field":1)")->warning ==
        "fields without effect: brand_new_field");
}

TEST_CASE("a response goes on from an earlier one, with instructions of its own") {
  Door door;
  const auto first = door.Ask(R"("input":"hi","instructions":"be kind")");
  REQUIRE(first.ok());
  const auto format = first->format(first->shape);
  ChoiceResult result;
  result.generated.text = "hello";
  const std::string document = format->Document({result});
  const auto stored = door.store.Find({"t", "resp_r1"});
  REQUIRE(stored.ok());
  CHECK((*stored)->document == document);
  CHECK(door.Prompt(
            R"("input":"go on","previous_response_id":"resp_r1","instructions":"be brief")") ==
        door.ChatPrompt(
            R"([{"role":"system","content":"be brief"},{"role":"user","content":"hi"},
                {"role":"assistant","content":"hello"},{"role":"user","content":"go on"}])"));
}

TEST_CASE("what is not to be stored is not") {
  Door door;
  const auto parsed = door.Ask(R"("input":"hi","store":false)");
  REQUIRE(parsed.ok());
  parsed->format(parsed->shape)->Document({ChoiceResult()});
  CHECK(door.store.size() == 0);
}

}  // namespace waferline::openai
