#include "server/openai/responses/repeated_fields.h"

#include <boost/json/value.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/openai/json_text.h"
#include "wafer_backend/base/json_text.h"

namespace waferline::openai {
namespace {

namespace json = boost::json;

// What the answer repeats of its request, with the values of fields that were left out.
constexpr std::pair<const char*, const char*> kRepeated[] = {{"instructions", "null"},
                                                             {"max_output_tokens", "null"},
                                                             {"max_tool_calls", "null"},
                                                             {"metadata", "{}"},
                                                             {"parallel_tool_calls", "true"},
                                                             {"previous_response_id", "null"},
                                                             {"prompt_cache_key", "null"},
                                                             {"safety_identifier", "null"},
                                                             {"tool_choice", "\"auto\""},
                                                             {"tools", "[]"},
                                                             {"top_p", "1"},
                                                             {"truncation", "\"disabled\""},
                                                             {"user", "null"},
                                                             {"store", "true"}};

}  // namespace

std::string RepeatedFields(const json::object& request, float temperature) {
  std::string out = ",\"temperature\":";
  if (const json::value* own = request.if_contains("temperature");
      own != nullptr && !own->is_null()) {
    out += JsonText(*own);
  } else {
    AppendNumber(out, temperature);
  }
  for (const auto& [name, otherwise] : kRepeated) {
    out += absl::StrCat(",\"", name, "\":");
    const json::value* value = request.if_contains(name);
    out += value == nullptr || value->is_null() ? otherwise : JsonText(*value);
  }
  json::object text = {{"format", {{"type", "text"}}}, {"verbosity", "medium"}};
  if (const json::value* given = request.if_contains("text");
      given != nullptr && given->is_object()) {
    for (const auto& entry : given->get_object()) {
      if (!entry.value().is_null()) text[entry.key()] = entry.value();
    }
  }
  json::object reasoning = {{"effort", nullptr}, {"summary", nullptr}};
  if (const json::value* given = request.if_contains("reasoning");
      given != nullptr && given->is_object()) {
    for (const auto& entry : given->get_object()) reasoning[entry.key()] = entry.value();
  }
  return out + ",\"text\":" + JsonText(text) + ",\"reasoning\":" + JsonText(reasoning) +
         ",\"background\":false,\"top_logprobs\":0";
}

}  // namespace waferline::openai
