#include "server/openai/reasoning_fields.h"

#include <boost/json/value.hpp>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/openai/api_error.h"
#include "server/serving/limits.h"
#include "wafer_backend/base/strings.h"

namespace waferline::openai {
namespace {

namespace json = boost::json;

bool Reads(const text::ChatTemplate& chat, const char* name) {
  return chat.source().find(name) != std::string::npos;
}

}  // namespace

void ReadReasoningFields(Fields& fields, const text::ChatTemplate& chat, json::object* names) {
  bool disabled = false;
  fields.Bool("disable_reasoning", &disabled);
  std::string effort;
  fields.Text("reasoning_effort", serving::kMaxNameBytes, &effort);
  if (effort == "none") {
    disabled = true;
  } else if (!effort.empty() && Reads(chat, "reasoning_effort")) {
    names->insert({{"reasoning_effort", effort}});
  }
  if (disabled) names->insert({{"enable_thinking", false}});
  bool clear = true;
  fields.Bool("clear_thinking", &clear);
  if (fields.Has("clear_thinking") && Reads(chat, "clear_thinking")) {
    names->insert({{"clear_thinking", clear}});
  } else if (!clear) {
    fields.AlwaysOn("clear_thinking",
                    "this model's template decides which reasoning of earlier turns it shows");
  }
}

absl::Status CheckEffort(const Fields& fields, const text::ChatTemplate& chat,
                         const Dialect& dialect, std::string* warning) {
  const json::value* effort = fields.Find("reasoning_effort");
  if (effort == nullptr || *effort == json::value("none") || *effort == json::value("") ||
      Reads(chat, "reasoning_effort")) {
    return absl::OkStatus();
  }
  constexpr char kWhy[] =
      "this model's template has no efforts; none asks for an answer without reasoning";
  if (dialect.refuse_unknown_fields) {
    return WithCode(FieldError("reasoning_effort",
                               absl::StrCat("'reasoning_effort' is not supported here: ", kWhy)),
                    "unsupported_parameter");
  }
  absl::StrAppend(warning, warning->empty() ? "" : "; ", "reasoning_effort without effect: ", kWhy);
  return absl::OkStatus();
}

absl::StatusOr<std::optional<text::ThinkingBudget>> ReadThinkingBudget(
    Fields& fields, const text::ServedModel& model, const ResponseShape& shape,
    std::string* warning) {
  const std::string_view name = fields.NameOf("thinking_budget", {"thinking_token_budget"});
  if (!fields.Has(name)) return std::nullopt;
  text::ThinkingRequest request{.marks = shape.reasoning, .opened = shape.reasoning_opened};
  fields.Int(name, 0, std::numeric_limits<int32_t>::max(), &request.tokens);
  if (!fields.ok()) return fields.status();
  if (shape.reasoning == text::ReasoningMarks::kNone ||
      model.origin != text::TokenOrigin::kComputed) {
    absl::StrAppend(warning, warning->empty() ? "" : "; ", Absl(name),
                    " without effect: this answer has no reasoning");
    return std::nullopt;
  }
  auto budget = text::MakeThinkingBudget(request, *model.tokenizer);
  if (budget.ok()) return *std::move(budget);
  return WithCode(FieldError(name, absl::StrCat("'", Absl(name), "' is not supported here: ",
                                                budget.status().message())),
                  "unsupported_parameter");
}

}  // namespace waferline::openai
