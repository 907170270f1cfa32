#include "server/http/api_description.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/strings.h"

namespace waferline::http {
namespace {

namespace json = boost::json;

std::string_view NeedsText(RouteDescription::Needs needs) {
  switch (needs) {
    case RouteDescription::Needs::kNothing:
      return "no key";
    case RouteDescription::Needs::kKey:
      return "an API key, where the configuration has api_keys";
    case RouteDescription::Needs::kOperator:
      return "a key that may operate, or this machine where there are no keys";
  }
  return "";
}

json::object Content(const char* type, json::object schema) {
  return {{type, json::object{{"schema", std::move(schema)}}}};
}

json::object Responses(const RouteDescription& route) {
  const json::object error = Content("application/json", {{"$ref", "#/components/schemas/Error"}});
  json::object responses{{"200", json::object{{"description", std::string(route.about)}}}};
  const auto refused = [&](const char* code, const char* why) {
    responses[code] = json::object{{"description", why}, {"content", error}};
  };
  if (route.needs != RouteDescription::Needs::kNothing) {
    refused("401", "the key is missing or unknown");
    refused("403", "the key, or the page that asks, has not the right");
    refused("429", "a limit of the tenant is reached; see Retry-After");
  }
  const bool post = route.method == "POST";
  if (post) refused("413", "the body is larger than limits.body_bytes");
  if (post || route.needs != RouteDescription::Needs::kNothing) {
    refused("400", "the body or the query is wrong; `param` names the field");
  }
  if (post || route.path.find("{id}") != std::string_view::npos) {
    refused("404", "there is no such name or model");
  }
  refused("503", "full, draining or not ready; see Retry-After");
  return responses;
}

json::object Operation(const RouteDescription& route) {
  json::object operation{{"summary", std::string(route.about)}, {"responses", Responses(route)}};
  if (route.needs != RouteDescription::Needs::kNothing) {
    operation["security"] = json::array{json::object(), json::object{{"key", json::array()}}};
  }
  json::array parameters;
  for (const std::string name : {"id", "child_id"}) {
    if (route.path.find("{" + name + "}") == std::string_view::npos) continue;
    parameters.push_back(json::object{{"name", name},
                                      {"in", "path"},
                                      {"required", true},
                                      {"schema", json::object{{"type", "string"}}}});
  }
  if (!parameters.empty()) operation["parameters"] = std::move(parameters);
  if (route.method == "POST") {
    operation["requestBody"] = json::object{
        {"required", true}, {"content", Content("application/json", {{"type", "object"}})}};
  }
  return operation;
}

}  // namespace

std::string DocsPage(const std::vector<RouteDescription>& routes) {
  std::string page =
      "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\"><title>Routes of Waferline</title><link "
      "rel=\"stylesheet\" href=\"/page/style.css\"></head><body><h1>Routes</h1><p>As programs read "
      "them: <a href=\"/openapi.json\">openapi.json</a>. gRPC answers on its own port, with "
      "reflection.</p><div class=\"scroll\"><table><thead><tr><th>Route</th><th>What it does</th>"
      "<th>Needs</th></tr></thead><tbody>";
  for (const RouteDescription& route : routes) {
    absl::StrAppend(&page, "<tr><td><code>", Absl(route.method), " ", Absl(route.path),
                    "</code></td><td>", Absl(route.about), "</td><td>",
                    Absl(NeedsText(route.needs)), "</td></tr>");
  }
  return page + "</tbody></table></div></body></html>";
}

namespace {

// What answers and the last chunks of streams have next to `usage`.
json::object TimeInfoSchema() {
  const std::pair<const char*, const char*> fields[] = {
      {"queue_time", "Waited for a prefill worker."},
      {"prompt_time",
       "Computed the prompt and handed its KV to the decode unit: until decoding began."},
      {"completion_time",
       "From there to the last token: the first token's way through the decode unit, and the gaps "
       "between the others."},
      {"total_time", "queue_time + prompt_time + completion_time: from arrival to the last token."},
      {"first_token_time",
       "From arrival to the first token; (completion_tokens - 1) / (total_time - first_token_time) "
       "is the speed after it."},
      {"created", "When the request came, in seconds since 1970: wall time, unlike the others."}};
  json::object properties;
  for (const auto& [name, about] : fields) {
    properties[name] = json::object{{"type", "number"}, {"description", about}};
  }
  return {{"type", "object"},
          {"description",
           "`time_info` of an answer, or of the last chunk of a stream: seconds of emulated time, "
           "what the hardware would have taken."},
          {"properties", std::move(properties)}};
}

// `finish_reason` of a choice.
json::object FinishReasonSchema() {
  return {
      {"type", "string"},
      {"enum", json::array{"stop", "length", "tool_calls", "function_call"}},
      {"description",
       "How a choice ended. `tool_calls` (`function_call` where `functions` asked): after calls "
       "that are whole. A call that a stop string cut short ends with `stop`, one that "
       "`max_tokens` cut with `length`; its arguments are then no JSON, and it is not to be made. "
       "A response of /v1/responses is `incomplete` then; a message of /v1/messages has "
       "`stop_sequence` or `max_tokens`, and an `input` with the members that were whole."}};
}

}  // namespace

std::string OpenApiText(const std::vector<RouteDescription>& routes, std::string_view version) {
  json::object paths;
  for (const RouteDescription& route : routes) {
    json::object& path =
        paths.emplace(std::string(route.path), json::object()).first->value().as_object();
    path[absl::AsciiStrToLower(Absl(route.method))] = Operation(route);
  }
  const json::object text{{"type", "string"}};
  const json::object error{
      {"type", "object"},
      {"properties",
       json::object{{"error", json::object{{"type", "object"},
                                           {"properties",
                                            json::object{{"message", text}, {"type", text}}}}}}}};
  return JsonText(json::object{
      {"openapi", "3.1.0"},
      {"info", json::object{{"title", "Waferline"}, {"version", std::string(version)}}},
      {"paths", std::move(paths)},
      {"components", json::object{{"schemas", json::object{{"Error", error},
                                                           {"FinishReason", FinishReasonSchema()},
                                                           {"TimeInfo", TimeInfoSchema()}}},
                                  {"securitySchemes",
                                   json::object{{"key", json::object{{"type", "http"},
                                                                     {"scheme", "bearer"}}}}}}}});
}

}  // namespace waferline::http
