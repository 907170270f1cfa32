#include "client/sdk/grpc_wire.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <variant>
#include <vector>

namespace waferline::sdk {
namespace {

v1::Role RoleOf(const std::string& role) {
  if (role == "system") return v1::ROLE_SYSTEM;
  if (role == "assistant") return v1::ROLE_ASSISTANT;
  return v1::ROLE_USER;
}

void AddScheduling(const GenerateSpec& spec, v1::SchedulingOptions* scheduling) {
  if (spec.service_tier == "default") scheduling->set_service_tier(v1::SERVICE_TIER_DEFAULT);
  if (spec.service_tier == "flex") scheduling->set_service_tier(v1::SERVICE_TIER_FLEX);
  if (spec.service_tier == "priority") scheduling->set_service_tier(v1::SERVICE_TIER_PRIORITY);
  if (spec.priority) scheduling->set_priority(*spec.priority);
  if (spec.deadline) scheduling->set_deadline_ns(spec.deadline->count());
  scheduling->set_cache_salt(spec.cache_salt);
  if (!spec.own_arrival) return;
  scheduling->set_arrival_number(spec.own_arrival->number);
  scheduling->set_arrival_ns(spec.own_arrival->at.count());
  scheduling->set_last_arrival(spec.own_arrival->last);
}

// OpenAI's list of tools, of which some must be called.
void AddTools(const std::string& tools, v1::ChatInput* chat) {
  boost::json::error_code error;
  const boost::json::value list = boost::json::parse(tools, error);
  if (error || !list.is_array()) return;
  const auto text = [](const boost::json::value* value) {
    return value != nullptr && value->is_string() ? std::string(value->get_string().c_str()) : "";
  };
  for (const boost::json::value& one : list.get_array()) {
    const auto* function = one.is_object() ? one.get_object().if_contains("function") : nullptr;
    if (function == nullptr || !function->is_object()) continue;
    v1::Tool* tool = chat->add_tools();
    tool->set_name(text(function->get_object().if_contains("name")));
    tool->set_description(text(function->get_object().if_contains("description")));
    if (const auto* schema = function->get_object().if_contains("parameters")) {
      tool->set_parameters(boost::json::serialize(*schema));
    }
  }
  if (chat->tools_size() > 0) chat->set_tool_choice(v1::TOOL_CHOICE_REQUIRED);
}

}  // namespace

v1::GenerateRequest RequestFor(const GenerateSpec& spec) {
  v1::GenerateRequest request;
  request.set_request_id(spec.request_id);
  request.set_model(spec.model);
  if (const auto* text = std::get_if<std::string>(&spec.prompt)) {
    request.set_text(*text);
  } else if (const auto* ids = std::get_if<std::vector<TokenId>>(&spec.prompt)) {
    request.mutable_token_ids()->mutable_ids()->Add(ids->begin(), ids->end());
  } else {
    for (const ChatTurn& turn : std::get<std::vector<ChatTurn>>(spec.prompt)) {
      auto* message = request.mutable_chat()->add_messages();
      message->set_role(RoleOf(turn.role));
      message->set_content(turn.content);
    }
    AddTools(spec.tools, request.mutable_chat());
  }
  if (!spec.json_schema.empty()) request.mutable_constraint()->set_json_schema(spec.json_schema);
  auto* sampling = request.mutable_sampling();
  if (spec.temperature) sampling->set_temperature(static_cast<float>(*spec.temperature));
  if (spec.top_p) sampling->set_top_p(static_cast<float>(*spec.top_p));
  if (spec.top_k) sampling->set_top_k(*spec.top_k);
  if (spec.seed) sampling->set_seed(*spec.seed);
  auto* stop = request.mutable_stop();
  if (spec.max_tokens) stop->set_max_tokens(*spec.max_tokens);
  if (spec.min_tokens) stop->set_min_tokens(*spec.min_tokens);
  for (const std::string& text : spec.stop) stop->add_strings(text);
  if (spec.ignore_eos) stop->set_ignore_eos(true);
  AddScheduling(spec, request.mutable_scheduling());
  return request;
}

std::string ReasonText(v1::FinishReason reason) {
  switch (reason) {
    case v1::FINISH_REASON_TOOL_CALLS:
      return "tool_calls";
    case v1::FINISH_REASON_STOP:
      return "stop";
    case v1::FINISH_REASON_LENGTH:
      return "length";
    case v1::FINISH_REASON_CANCELLED:
      return "cancelled";
    case v1::FINISH_REASON_DEADLINE:
      return "deadline";
    default:
      return "failed";
  }
}

}  // namespace waferline::sdk
