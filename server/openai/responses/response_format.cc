#include "server/openai/responses/response_format.h"

#include <boost/json/object.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/openai/answer_facts.h"
#include "server/openai/json_text.h"
#include "server/openai/tool_parts.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/strings.h"

namespace waferline::openai {
namespace {

namespace json = boost::json;

void AppendMember(std::string& out, std::string_view name, std::string_view text) {
  out += ",\"";
  out += name;
  out += "\":";
  AppendQuoted(out, text);
}

void AppendUsage(std::string& out, const Usage& usage) {
  out += "{\"input_tokens\":";
  AppendInteger(out, usage.prompt_tokens);
  out += ",\"input_tokens_details\":{\"cached_tokens\":";
  AppendInteger(out, usage.cached_tokens);
  out += "},\"output_tokens\":";
  AppendInteger(out, usage.completion_tokens);
  out += ",\"output_tokens_details\":{\"reasoning_tokens\":";
  AppendInteger(out, usage.reasoning_tokens.value_or(0));
  out += "},\"total_tokens\":";
  AppendInteger(out, usage.prompt_tokens + usage.completion_tokens);
  AppendRecord(out, usage);
  out += '}';
}

}  // namespace

ResponseFormat::ResponseFormat(const ResponsePlan& plan, const ResponseShape& shape)
    : plan_(plan),
      shape_(shape),
      parts_(shape),
      served_(ServiceTierNamed(shape.service_tier).value_or(ServiceTier::kAuto)) {
  WL_CHECK(shape.choices() == 1);
}

void ResponseFormat::AppendStart(std::string& out) {
  for (const char* type : {"response.created", "response.in_progress"}) {
    Open(out, type);
    out += ",\"response\":";
    AppendResponse(out, "in_progress", nullptr);
    Close(out);
  }
}

void ResponseFormat::AppendDelta(std::string& out, size_t, const Delta& delta) {
  for (AnswerPart& part : parts_.Feed(delta)) Take(out, std::move(part));
}

void ResponseFormat::Take(std::string& out, AnswerPart part) {
  if (part.kind == AnswerPart::kArguments) return AppendText(out, part.text);
  if (part.kind == AnswerPart::kCall) {
    return Begin(out, {.kind = Item::Kind::kCall,
                       .id = "fc_",
                       .text = "",
                       .name = std::move(part.text),
                       .call_id = CallId(shape_, 0, calls_++)});
  }
  const bool says = part.kind == AnswerPart::kText;
  const Item::Kind kind = says ? Item::Kind::kMessage : Item::Kind::kReasoning;
  if (items_.empty() || items_.back().kind != kind) {
    Begin(out, {.kind = kind, .id = says ? "msg_" : "rs_"});
  }
  AppendText(out, part.text);
}

void ResponseFormat::Begin(std::string& out, Item item) {
  EndItem(out, "completed");
  absl::StrAppend(&item.id, shape_.id.substr(shape_.id.find('_') + 1), "_", items_.size());
  items_.push_back(std::move(item));
  Open(out, "response.output_item.added");
  out += ",\"output_index\":";
  AppendInteger(out, items_.size() - 1);
  out += ",\"item\":";
  AppendItem(out, items_.back(), false);
  Close(out);
  if (items_.back().kind == Item::Kind::kCall) return;
  OpenOfItem(out, "response.content_part.added");
  out += ",\"part\":";
  AppendContent(out, items_.back(), "");
  Close(out);
}

void ResponseFormat::AppendText(std::string& out, std::string_view text) {
  Item& item = items_.back();
  item.text += text;
  switch (item.kind) {
    case Item::Kind::kReasoning:
      OpenOfItem(out, "response.reasoning_text.delta");
      break;
    case Item::Kind::kMessage:
      OpenOfItem(out, "response.output_text.delta");
      out += ",\"logprobs\":[]";
      break;
    case Item::Kind::kCall:
      OpenOfItem(out, "response.function_call_arguments.delta");
      break;
  }
  AppendMember(out, "delta", text);
  Close(out);
}

void ResponseFormat::EndItem(std::string& out, const char* status) {
  if (items_.empty()) return;
  Item& item = items_.back();
  item.status = status;
  if (item.kind == Item::Kind::kCall) {
    OpenOfItem(out, "response.function_call_arguments.done");
    AppendMember(out, "name", item.name);
    AppendMember(out, "arguments", item.text);
    Close(out);
  } else {
    const bool says = item.kind == Item::Kind::kMessage;
    OpenOfItem(out, says ? "response.output_text.done" : "response.reasoning_text.done");
    if (says) out += ",\"logprobs\":[]";
    AppendMember(out, "text", item.text);
    Close(out);
    OpenOfItem(out, "response.content_part.done");
    out += ",\"part\":";
    AppendContent(out, item, item.text);
    Close(out);
  }
  Open(out, "response.output_item.done");
  out += ",\"output_index\":";
  AppendInteger(out, items_.size() - 1);
  out += ",\"item\":";
  AppendItem(out, item, true);
  Close(out);
}

void ResponseFormat::AppendFinish(std::string& out, size_t, const ChoiceEnd& end, const Usage*) {
  for (AnswerPart& part : parts_.Finish()) Take(out, std::move(part));
  // An answer without a token is an empty message.
  if (items_.empty()) Begin(out, {.kind = Item::Kind::kMessage, .id = "msg_"});
  const bool full = end.reason == FinishReason::kLength;
  status_ = full || parts_.cut() ? "incomplete" : "completed";
  if (parts_.cut() && !full) incomplete_ = R"({"reason":"stop"})";
  EndItem(out, status_);
}

void ResponseFormat::AppendEnd(std::string& out, const Usage& usage) {
  Open(out, absl::StrCat("response.", status_));
  out += ",\"response\":";
  std::string document;
  AppendResponse(document, status_, &usage);
  out += document;
  Close(out);
  Store(document);
}

void ResponseFormat::AppendFailure(std::string& out, const absl::Status& status) {
  Open(out, "error");
  out += ",\"code\":\"server_error\",\"param\":null";
  AppendMember(out, "message", Std(status.message()));
  Close(out);
  failure_ = status;
  Open(out, "response.failed");
  out += ",\"response\":";
  AppendResponse(out, "failed", nullptr);
  Close(out);
}

std::string ResponseFormat::Document(const std::vector<ChoiceResult>& results) {
  WL_CHECK(results.size() == 1);
  std::string events;  // of which only the items that they build are needed
  AppendDelta(events, 0, results[0].generated);
  AppendFinish(events, 0, results[0].end, nullptr);
  const Usage usage = SumUsage(shape_, {results[0].end});
  std::string document;
  AppendResponse(document, status_, &usage);
  Store(document);
  return document;
}

void ResponseFormat::AppendContent(std::string& out, const Item& item,
                                   std::string_view text) const {
  const bool says = item.kind == Item::Kind::kMessage;
  out += says ? "{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[]"
              : "{\"type\":\"reasoning_text\"";
  AppendMember(out, "text", text);
  out += '}';
}

void ResponseFormat::AppendItem(std::string& out, const Item& item, bool with_content) const {
  out += "{\"id\":";
  AppendQuoted(out, item.id);
  switch (item.kind) {
    case Item::Kind::kReasoning:
      out += ",\"type\":\"reasoning\",\"summary\":[]";
      break;
    case Item::Kind::kMessage:
      out += ",\"type\":\"message\",\"role\":\"assistant\"";
      break;
    case Item::Kind::kCall:
      out += ",\"type\":\"function_call\"";
      AppendMember(out, "call_id", item.call_id);
      AppendMember(out, "name", item.name);
      AppendMember(out, "arguments", with_content ? item.text : "");
      break;
  }
  AppendMember(out, "status", item.status);
  if (item.kind != Item::Kind::kCall) {
    out += ",\"content\":[";
    if (with_content) AppendContent(out, item, item.text);
    out += ']';
  }
  out += '}';
}

void ResponseFormat::Open(std::string& out, std::string_view type) {
  out += "event: ";
  out += type;
  out += "\ndata: {\"type\":";
  AppendQuoted(out, type);
  out += ",\"sequence_number\":";
  AppendInteger(out, next_number_++);
}

void ResponseFormat::OpenOfItem(std::string& out, std::string_view type) {
  Open(out, type);
  AppendMember(out, "item_id", items_.back().id);
  out += ",\"output_index\":";
  AppendInteger(out, items_.size() - 1);
  if (items_.back().kind != Item::Kind::kCall) out += ",\"content_index\":0";
}

void ResponseFormat::Close(std::string& out) { out += "}\n\n"; }

void ResponseFormat::AppendResponse(std::string& out, const char* status,
                                    const Usage* usage) const {
  out += "{\"id\":";
  AppendQuoted(out, shape_.id);
  out += ",\"object\":\"response\",\"created_at\":";
  AppendInteger(out, shape_.created_unix_seconds);
  AppendMember(out, "status", status);
  AppendMember(out, "model", shape_.model);
  out += ",\"error\":";
  if (failure_.ok()) {
    out += "null";
  } else {
    out += "{\"code\":\"server_error\"";
    AppendMember(out, "message", Std(failure_.message()));
    out += '}';
  }
  out += ",\"incomplete_details\":";
  out += std::string_view(status) == "incomplete" ? incomplete_ : "null";
  out += ",\"output\":[";
  for (size_t i = 0; i < items_.size(); ++i) {
    if (i > 0) out += ',';
    AppendItem(out, items_[i], true);
  }
  out += "],\"usage\":";
  if (usage == nullptr) {
    out += "null";
  } else {
    AppendUsage(out, *usage);
    AppendTimeInfo(out, shape_, *usage);
  }
  AppendOrigin(out, shape_);
  AppendMember(out, "service_tier", NameOf(served_));
  out += plan_.repeated;
  out += '}';
}

void ResponseFormat::Store(const std::string& document) {
  if (plan_.store == nullptr) return;
  json::object answer = {{"role", "assistant"}};
  std::string content, reasoning;
  json::array calls;
  for (const Item& item : items_) {
    if (item.kind == Item::Kind::kMessage) content += item.text;
    if (item.kind == Item::Kind::kReasoning) reasoning += item.text;
    if (item.kind != Item::Kind::kCall) continue;
    calls.push_back({{"id", item.call_id},
                     {"type", "function"},
                     {"function", {{"name", item.name}, {"arguments", item.text}}}});
  }
  answer["content"] = content;
  if (!reasoning.empty()) answer["reasoning_content"] = reasoning;
  if (!calls.empty()) answer["tool_calls"] = std::move(calls);
  json::array messages = plan_.messages;
  messages.push_back(std::move(answer));
  plan_.store({.document = document, .messages = std::move(messages)});
}

}  // namespace waferline::openai
