#include "client/sdk/openai_wire.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/sdk/web_page.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/strings.h"

namespace waferline::sdk {
namespace {

namespace json = boost::json;

json::string_view View(std::string_view text) { return {text.data(), text.size()}; }

// Null for an absent field, and for one that is null.
const json::value* Find(const json::value& value, std::string_view key) {
  const json::value* found =
      value.is_object() ? value.get_object().if_contains(View(key)) : nullptr;
  return found == nullptr || found->is_null() ? nullptr : found;
}

// "" if it is not there or no string.
std::string TextOf(const json::value* value) {
  return value != nullptr && value->is_string()
             ? std::string(value->as_string().data(), value->as_string().size())
             : std::string();
}

std::optional<double> NumberOf(const json::value* value) {
  if (value == nullptr || !value->is_number()) return std::nullopt;
  return value->to_number<double>();
}

std::optional<uint32_t> CountOf(const json::value* value) {
  const auto number = NumberOf(value);
  if (!number || *number < 0 || *number > 4e9) return std::nullopt;
  return static_cast<uint32_t>(*number);
}

// Null if it is not JSON.
json::value Parsed(const std::string& text) {
  json::error_code error;
  return json::parse(text, error);
}

json::value PromptOf(const GenerateSpec& spec) {
  if (const auto* text = std::get_if<std::string>(&spec.prompt)) return json::value(*text);
  json::array result;
  if (const auto* ids = std::get_if<std::vector<TokenId>>(&spec.prompt)) {
    for (const TokenId id : *ids) result.emplace_back(id);
  } else {
    for (const ChatTurn& turn : std::get<std::vector<ChatTurn>>(spec.prompt)) {
      result.push_back(json::object{{"role", turn.role}, {"content", turn.content}});
    }
  }
  return result;
}

absl::StatusCode CodeFor(int http_code) {
  switch (http_code) {
    case 400:
    case 422:
      return absl::StatusCode::kInvalidArgument;
    case 401:
      return absl::StatusCode::kUnauthenticated;
    case 403:
      return absl::StatusCode::kPermissionDenied;
    case 404:
      return absl::StatusCode::kNotFound;
    case 408:
    case 504:
      return absl::StatusCode::kDeadlineExceeded;
    case 413:
      return absl::StatusCode::kOutOfRange;
    case 429:
      return absl::StatusCode::kResourceExhausted;
    case 502:
    case 503:
      return absl::StatusCode::kUnavailable;
    default:
      return http_code >= 500 ? absl::StatusCode::kInternal : absl::StatusCode::kUnknown;
  }
}

// {"error": {"message"}}, {"error": "..."} or the flat {"message"}.
std::string ErrorMessage(const json::value& value) {
  if (const json::value* error = Find(value, "error")) {
    return error->is_string() ? TextOf(error) : TextOf(Find(*error, "message"));
  }
  return TextOf(Find(value, "message"));
}

void ReadUsage(const json::value& chunk, Ending* ending) {
  if (const json::value* usage = Find(chunk, "usage")) {
    if (const auto n = CountOf(Find(*usage, "prompt_tokens"))) ending->prompt_tokens = n;
    if (const auto n = CountOf(Find(*usage, "completion_tokens"))) ending->completion_tokens = n;
  }
  if (const json::value* times = Find(chunk, "time_info"); times != nullptr && times->is_object()) {
    const auto duration = [&](std::string_view key) {
      return Nanoseconds(std::llround(NumberOf(Find(*times, key)).value_or(0) * 1e9));
    };
    ending->times = EmulatedTimes{.queue = duration("queue_time"),
                                  .prompt = duration("prompt_time"),
                                  .completion = duration("completion_time"),
                                  .total = duration("total_time")};
    if (const auto first = NumberOf(Find(*times, "first_token_time"))) {
      ending->times->first_token = Nanoseconds(std::llround(*first * 1e9));
    }
  }
}

// A delta's text: some servers send it as a list of parts.
std::string ContentOf(const json::value& delta) {
  const json::value* content = Find(delta, "content");
  if (content == nullptr || !content->is_array()) return TextOf(content);
  std::string text;
  for (const json::value& part : content->get_array()) text += TextOf(Find(part, "text"));
  return text;
}

// Does a chat's delta carry tokens? Reasoning has two names in the field.
bool HasTokens(const json::value& delta) {
  if (!ContentOf(delta).empty()) return true;
  for (const char* key : {"reasoning_content", "reasoning", "refusal"}) {
    if (!TextOf(Find(delta, key)).empty()) return true;
  }
  const json::value* calls = Find(delta, "tool_calls");
  return calls != nullptr && calls->is_array() && !calls->get_array().empty();
}

// The tokens of one chunk's first choice.
void ReadChoice(const json::value& choice, WireChunk* chunk, Ending* ending) {
  if (const std::string reason = TextOf(Find(choice, "finish_reason")); !reason.empty()) {
    ending->finish_reason = reason;
  }
  if (const json::value* ids = Find(choice, "token_ids"); ids != nullptr && ids->is_array()) {
    chunk->piece.tokens = static_cast<uint32_t>(ids->get_array().size());
  }
  const json::value* delta = Find(choice, "delta");
  chunk->piece.text = delta != nullptr ? ContentOf(*delta) : TextOf(Find(choice, "text"));
  chunk->has_content = !chunk->piece.text.empty() || chunk->piece.tokens > 0 ||
                       (delta != nullptr && HasTokens(*delta));
}

}  // namespace

std::string_view PathFor(const GenerateSpec& spec) {
  return std::holds_alternative<std::vector<ChatTurn>>(spec.prompt) ? "/v1/chat/completions"
                                                                    : "/v1/completions";
}

std::string BodyFor(const GenerateSpec& spec) {
  const bool chat = std::holds_alternative<std::vector<ChatTurn>>(spec.prompt);
  json::object body;
  if (!spec.model.empty()) body["model"] = spec.model;
  body[chat ? "messages" : "prompt"] = PromptOf(spec);
  body["stream"] = true;
  if (spec.ask_usage) body["stream_options"] = json::object{{"include_usage", true}};
  if (spec.max_tokens) body[chat ? "max_completion_tokens" : "max_tokens"] = *spec.max_tokens;
  if (spec.min_tokens) body["min_tokens"] = *spec.min_tokens;
  if (spec.temperature) body["temperature"] = *spec.temperature;
  if (spec.top_p) body["top_p"] = *spec.top_p;
  if (spec.top_k) body["top_k"] = *spec.top_k;
  if (spec.seed) body["seed"] = *spec.seed;
  if (!spec.stop.empty()) body["stop"] = json::value_from(spec.stop);
  if (spec.ignore_eos) body["ignore_eos"] = true;
  if (spec.ask_token_ids) body["return_token_ids"] = true;
  if (spec.priority) body["priority"] = *spec.priority;
  if (!spec.service_tier.empty()) body["service_tier"] = spec.service_tier;
  if (!spec.cache_salt.empty()) body["cache_salt"] = spec.cache_salt;
  if (!spec.json_schema.empty()) {
    body["response_format"] = json::object{
        {"type", "json_schema"},
        {"json_schema",
         json::object{{"name", "answer"}, {"strict", true}, {"schema", Parsed(spec.json_schema)}}}};
  }
  if (!spec.tools.empty()) {
    body["tools"] = Parsed(spec.tools);
    body["tool_choice"] = "required";
  }
  json::object extension;
  if (spec.deadline) {
    extension["deadline_ms"] = (spec.deadline->count() + 999'999) / 1'000'000;
  }
  if (spec.own_arrival) {
    extension["instants"] = true;
    extension["arrival_number"] = spec.own_arrival->number;
    extension["arrival_ns"] = spec.own_arrival->at.count();
    extension["last_arrival"] = spec.own_arrival->last;
  }
  if (!extension.empty()) body["waferline"] = std::move(extension);
  return JsonText(body);
}

absl::StatusOr<WireChunk> ReadChunk(std::string_view data, Ending* ending) {
  WireChunk chunk;
  if (absl::StripTrailingAsciiWhitespace(Absl(data)) == "[DONE]") {
    chunk.done = true;
    return chunk;
  }
  boost::system::error_code error;
  const json::value value = json::parse(View(data), error);
  if (!error && value.is_null()) return chunk;
  if (error || !value.is_object()) {
    return absl::InternalError(absl::StrCat(
        "the server's stream has a chunk that is not a JSON object: ", Absl(data.substr(0, 80))));
  }
  if (const json::value* failure = Find(value, "error")) {
    const auto code = CountOf(Find(*failure, "code"));
    const int http_code = code && *code >= 400 && *code < 600 ? static_cast<int>(*code) : 500;
    return ReadError(http_code, data);
  }
  ReadUsage(value, ending);
  const json::value* choices = Find(value, "choices");
  if (choices == nullptr || !choices->is_array() || choices->as_array().empty()) return chunk;
  ReadChoice(choices->get_array().front(), &chunk, ending);
  chunk.tokens_so_far = ending->completion_tokens.value_or(0);
  if (const json::value* extension = Find(value, "waferline")) {
    if (const json::value* all = Find(*extension, "instants_ns");
        all != nullptr && all->is_array()) {
      for (const json::value& one : all->as_array()) {
        chunk.piece.instants.push_back(Nanoseconds(std::llround(NumberOf(&one).value_or(0))));
      }
    }
  }
  return chunk;
}

absl::Status ReadError(int http_code, std::string_view body) {
  boost::system::error_code error;
  const json::value value = json::parse(View(body), error);
  if (error && IsWebPage(body)) return absl::Status(CodeFor(http_code), WebPageText(http_code));
  std::string message = error ? std::string() : ErrorMessage(value);
  if (message.empty()) {
    message = absl::StrCat("the server answers HTTP ", http_code, body.empty() ? "" : ": ",
                           Absl(body.substr(0, 200)));
  }
  return absl::Status(CodeFor(http_code), message);
}

absl::StatusOr<std::vector<ModelEntry>> ReadModels(std::string_view body) {
  boost::system::error_code error;
  const json::value value = json::parse(View(body), error);
  const json::value* data = error ? nullptr : Find(value, "data");
  if (data == nullptr || !data->is_array()) {
    return absl::InternalError("/v1/models does not answer with a list of models");
  }
  std::vector<ModelEntry> models;
  for (const json::value& entry : data->as_array()) {
    ModelEntry model{.id = TextOf(Find(entry, "id"))};
    for (const char* key : {"context_length", "max_model_len"}) {
      if (const auto n = CountOf(Find(entry, key))) model.context_length = *n;
    }
    // Waferline says what it computes and what it times; of others only the owner is known.
    if (const json::value* own = Find(entry, "waferline")) {
      model.details = TextOf(Find(*own, "description"));
    } else if (const std::string owner = TextOf(Find(entry, "owned_by")); !owner.empty()) {
      model.details = absl::StrCat("owned by ", owner);
    }
    models.push_back(std::move(model));
  }
  return models;
}

absl::StatusOr<std::string> ReadDigest(std::string_view body) {
  boost::system::error_code error;
  const json::value value = json::parse(View(body), error);
  const std::string digest = error ? std::string() : TextOf(Find(value, "schedule_digest"));
  if (digest.empty()) return absl::InternalError("/admin/load does not answer with a digest");
  return digest;
}

std::string WriteFault(const FaultSpec& fault) {
  json::object body = {{"fault", fault.kind}, {"model", fault.model}, {"index", fault.index}};
  if (fault.factor) body["factor"] = *fault.factor;
  if (fault.place) body["place"] = *fault.place;
  if (fault.column) body["column"] = *fault.column;
  if (fault.row) body["row"] = *fault.row;
  if (fault.links) body["links"] = *fault.links;
  if (fault.stage) body["stage"] = *fault.stage;
  if (fault.spare_wafers) body["spare_wafers"] = *fault.spare_wafers;
  if (fault.watts) body["watts"] = *fault.watts;
  if (fault.clock_share) body["clock_share"] = *fault.clock_share;
  return JsonText(body);
}

}  // namespace waferline::sdk
