// fuzzes: server/openai server/openai/responses server/anthropic
//
// Any bytes as the body of any route. Whatever comes out is either a request that keeps every
// promise which the engine relies on, or an error with a body that is JSON. Answers to what was
// accepted are JSON, too.
#include <boost/json/parse.hpp>
#include <cstdint>
#include <string>

#include "server/anthropic/message_request.h"
#include "server/openai/api_error.h"
#include "server/openai/choice_text.h"
#include "server/openai/request.h"
#include "server/openai/responses/response_request.h"
#include "server/openai/token_text.h"
#include "server/serving/limits.h"
#include "tests/fuzz/valid_request_laws.h"
#include "tests/unit/server/openai/byte_model.h"
#include "wafer_backend/base/check.h"

namespace waferline::openai {
namespace {

void CheckJson(std::string_view text) {
  boost::json::error_code error;
  boost::json::parse({text.data(), text.size()}, error);
  WL_CHECK(!error);
}

void CheckError(const absl::Status& status) {
  WL_CHECK(HttpCode(status) == 400 || HttpCode(status) == 404);
  CheckJson(ErrorBody(status));
}

// Some tokens through the whole way out.
void Answer(const ParsedRequest& parsed) {
  auto shape = std::make_shared<const ResponseShape>(parsed.shape);
  ChoiceText text(shape, parsed.model->tokenizer);
  Delta delta;
  for (const TokenId id : {TokenId{'a'}, TokenId{0xc3}, kHello, TokenId{0xff}, kEos}) {
    const TokenValue value{id, -1.0f, {{id, -1.0f}}};
    if (text.Feed({.value = &value}, &delta)) break;
  }
  text.Finish(&delta);
  if (shape->stream) {
    const auto format = parsed.format(*shape);
    std::string out;
    format->AppendDelta(out, 0, delta);
    if (out.empty()) return;                     // nothing to show
    const size_t data = out.find("data: ") + 6;  // after the event's name, if it has one
    CheckJson(std::string_view(out).substr(data, out.find("\n\n") - data));
  } else {
    std::vector<ChoiceResult> results(shape->choices());
    results[0].generated = std::move(delta);
    CheckJson(parsed.format(*shape)->Document(results));
  }
}

void TryRequest(absl::StatusOr<ParsedRequest> parsed) {
  if (!parsed.ok()) return CheckError(parsed.status());
  if (const absl::Status status = CompileConstraint(&*parsed); !status.ok()) {
    return CheckError(status);
  }
  WL_CHECK(parsed->requests.size() == parsed->shape.choices());
  WL_CHECK(!parsed->requests.empty() &&
           static_cast<int64_t>(parsed->requests.size()) <= serving::kMaxChoices);
  for (const ValidRequest& request : parsed->requests) fuzz::CheckRequest(request, *parsed->model);
  Answer(*parsed);
}

void TryText(const absl::StatusOr<std::string>& answer) {
  if (!answer.ok()) return CheckError(answer.status());
  CheckJson(*answer);
}

// Fields and values picked by the bytes, so that pairs of them are reached that no mutation of text
// would find soon.
std::string Recipe(const std::string& bytes) {
  static constexpr const char* kFields[] = {"prompt",
                                            "messages",
                                            "max_tokens",
                                            "max_completion_tokens",
                                            "min_tokens",
                                            "temperature",
                                            "top_p",
                                            "top_k",
                                            "min_p",
                                            "repetition_penalty",
                                            "frequency_penalty",
                                            "presence_penalty",
                                            "seed",
                                            "n",
                                            "stop",
                                            "stop_token_ids",
                                            "ignore_eos",
                                            "logit_bias",
                                            "logprobs",
                                            "top_logprobs",
                                            "echo",
                                            "stream",
                                            "stream_options",
                                            "return_token_ids",
                                            "service_tier",
                                            "priority",
                                            "cache_salt",
                                            "user",
                                            "tools",
                                            "response_format",
                                            "structured_outputs",
                                            "guided_json",
                                            "guided_regex",
                                            "guided_choice",
                                            "grammar",
                                            "best_of",
                                            "suffix",
                                            "waferline",
                                            "skip_special_tokens",
                                            "include_stop_str_in_output",
                                            "input",
                                            "instructions",
                                            "text",
                                            "reasoning",
                                            "store",
                                            "previous_response_id",
                                            "include",
                                            "system",
                                            "stop_sequences",
                                            "tool_choice",
                                            "thinking",
                                            "output_config",
                                            "metadata",
                                            "model"};
  static constexpr const char* kValues[] = {
      "null",
      "true",
      "false",
      "0",
      "1",
      "-1",
      "2",
      "5",
      "20",
      "128",
      "129",
      "0.5",
      "-2",
      "1e308",
      "-0.0",
      "1e-320",
      "9223372036854775807",
      "18446744073709551615",
      "-9223372036854775808",
      "99999999999999999999999",
      R"("")",
      R"("a")",
      R"("\u0000\ud83d\ude00")",
      R"("bytes")",
      R"("mute")",
      "[]",
      R"(["a","b"])",
      "[97,98]",
      "[[97],[195,188]]",
      "[261]",
      "[[]]",
      "{}",
      R"({"97":1,"258":-100})",
      R"({"include_usage":true})",
      R"({"type":"text"})",
      R"({"instants":true,"arrival_ns":5,"arrival_number":0,"deadline_ms":7})",
      R"([{"role":"user","content":"x"}])",
      R"([{"role":"system","content":[{"type":"text","text":"y"}]},{"role":"assistant"}])",
      R"([{"type":"message","role":"user","content":[{"type":"input_text","text":"z"}]}])",
      R"([{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"o"}])",
      R"([{"type":"function","name":"f"}])",
      R"([{"name":"f","input_schema":{"type":"object"}}])",
      R"({"format":{"type":"json_object"}})",
      R"({"type":"any"})",
      R"("required")",
      R"("priority")",
      R"("hello")"};
  std::string body;
  for (size_t i = 0; i + 1 < bytes.size() && i < 40; i += 2) {
    body += body.empty() ? "\"" : ",\"";
    body += kFields[static_cast<uint8_t>(bytes[i]) % std::size(kFields)];
    body += "\":";
    body += kValues[static_cast<uint8_t>(bytes[i + 1]) % std::size(kValues)];
  }
  return body;
}

// The first byte chooses the route and whether the fields that every request needs are given, so
// that the interesting ones are reached without guessing these first.
void TryOne(uint8_t choice, std::string body) {
  if ((choice & 64) != 0) body = Recipe(body);
  static const text::ModelCatalog catalog = ByteCatalog();
  const Envelope envelope = {
      .request_id = "fuzz",
      .queue_threshold = (choice & 16) != 0 ? std::string_view(body).substr(0, 8) : "",
      .deadline_ms = (choice & 32) != 0 ? std::string_view(body).substr(0, 20) : ""};
  const bool is_response = choice % 10 == 6;
  const std::string needed =
      is_response ? "\"input\":\"ab\","
                  : "\"messages\":[{\"role\":\"user\",\"content\":\"c\"}],\"max_tokens\":5,";
  const std::string prompt = choice % 10 == 2 ? "\"prompt\":\"ab\"," : "";
  const std::string inside =
      "{\"model\":\"bytes\"," + prompt + needed + (body.empty() ? "\"n\":1" : body) + "}";
  ResponseStore store;
  switch (choice % 10) {
    case 0:
      return TryRequest(ParseCompletion(body, envelope, catalog));
    case 1:
      return TryRequest(ParseChat(body, envelope, catalog));
    case 2:
      return TryRequest(ParseCompletion(inside, envelope, catalog));
    case 3:
      return TryRequest(ParseChat(inside, envelope, catalog));
    case 4:
      return TryText(Tokenize(body, catalog, 0));
    case 5:
      return TryRequest(ParseResponse(body, envelope, catalog, &store));
    case 6:
      return TryRequest(ParseResponse(inside, envelope, catalog, &store));
    case 7:
      return TryRequest(anthropic::ParseMessages(body, envelope, catalog));
    case 8:
      return TryRequest(anthropic::ParseMessages(inside, envelope, catalog));
    default:
      return TryText(Detokenize(body, catalog));
  }
}

}  // namespace
}  // namespace waferline::openai

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  waferline::openai::TryOne(data[0],
                            std::string(reinterpret_cast<const char*>(data + 1), size - 1));
  return 0;
}
