#include "server/openai/thinking_budget.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/openai/api_error.h"
#include "wafer_backend/base/strings.h"

namespace waferline::openai {
namespace {

// Marks are tokens of their own, what stands between them is text.
struct Marks {
  std::vector<std::string_view> open, end;  // the first of `end` ends the reasoning by itself
};
Marks MarksOf(text::ReasoningMarks marks) {
  if (marks == text::ReasoningMarks::kThink) return {{"<think>"}, {"</think>"}};
  return {{"<|channel|>", "analysis", "<|message|>"},
          {"<|end|>", "<|start|>", "assistant", "<|channel|>", "final", "<|message|>"}};
}

// Empty if a mark is no token.
std::vector<TokenId> IdsOf(const std::vector<std::string_view>& parts,
                           const model::Tokenizer& tokenizer) {
  std::vector<TokenId> ids;
  for (const std::string_view part : parts) {
    if (const auto mark = tokenizer.FindSpecial(part)) {
      ids.push_back(*mark);
      continue;
    }
    if (part.starts_with('<')) return {};
    const auto text = tokenizer.Encode(part, {.add_special = false, .parse_special = false});
    ids.insert(ids.end(), text.begin(), text.end());
  }
  return ids;
}

class Cursor final : public ConstraintCursor {
 public:
  // `any`: all tokens.
  Cursor(std::shared_ptr<const ThinkingBudget> budget, const TokenConstraint* rest,
         std::shared_ptr<const AllowedTokens> any)
      : kept_(std::move(budget)),
        budget_(*kept_),
        rest_(rest == nullptr ? nullptr : rest->Start()),
        any_(std::move(any)) {
    if (budget_.opened) Think();
  }

  std::shared_ptr<const AllowedTokens> Allowed() override {
    auto allowed = rest_ == nullptr ? any_ : rest_->Allowed();
    if (state_ != State::kEnding) return allowed;
    const TokenId next = budget_.end[passed_];
    // Where the rest does not let the reasoning end, it goes on.
    if (!allowed->Contains(next)) return allowed;
    return std::make_shared<const AllowedTokens>(AllowedTokens{.few = {next}});
  }

  void Append(TokenId id) override {
    if (rest_ != nullptr) rest_->Append(id);
    switch (state_) {
      case State::kBefore:
        if (id != budget_.open[passed_]) {
          state_ = State::kOver;
        } else if (++passed_ == budget_.open.size()) {
          Think();
        }
        return;
      case State::kThinking:
        if (id == budget_.mark) {
          state_ = State::kOver;
        } else if (++tokens_ >= budget_.tokens) {
          End();
        }
        return;
      case State::kEnding:
        if (id != budget_.end[passed_] || ++passed_ == budget_.end.size()) state_ = State::kOver;
        return;
      case State::kOver:
        return;
    }
  }

  // Free text has no way of its own: its sequence goes on to its length.
  TokenId TowardsEnd() override { return rest_ == nullptr ? budget_.mark : rest_->TowardsEnd(); }

 private:
  enum class State : uint8_t { kBefore, kThinking, kEnding, kOver };
  void Think() {
    state_ = State::kThinking;
    if (budget_.tokens == 0) End();
  }
  void End() {
    state_ = State::kEnding;
    passed_ = 0;
  }

  const std::shared_ptr<const ThinkingBudget> kept_;
  const ThinkingBudget& budget_;
  const std::unique_ptr<ConstraintCursor> rest_;
  const std::shared_ptr<const AllowedTokens> any_;
  State state_ = State::kBefore;
  size_t passed_ = 0;  // of `open` or `end`
  uint32_t tokens_ = 0;
};

class Constraint final : public TokenConstraint {
 public:
  Constraint(ThinkingBudget budget, std::shared_ptr<const TokenConstraint> rest)
      : budget_(std::make_shared<const ThinkingBudget>(std::move(budget))), rest_(std::move(rest)) {
    AllowedTokens any;
    any.bits.assign((budget_->vocabulary + 63) / 64, ~uint64_t{0});
    any_ = std::make_shared<const AllowedTokens>(std::move(any));
  }
  std::unique_ptr<ConstraintCursor> Start() const override {
    return std::make_unique<Cursor>(budget_, rest_.get(), any_);
  }

 private:
  const std::shared_ptr<const ThinkingBudget> budget_;
  const std::shared_ptr<const TokenConstraint> rest_;
  std::shared_ptr<const AllowedTokens> any_;
};

}  // namespace

absl::StatusOr<std::optional<ThinkingBudget>> ReadThinkingBudget(Fields& fields,
                                                                 const text::ServedModel& model,
                                                                 const ResponseShape& shape,
                                                                 std::string* warning) {
  const std::string_view name = fields.NameOf("thinking_budget", {"thinking_token_budget"});
  if (!fields.Has(name)) return std::nullopt;
  ThinkingBudget budget{.vocabulary = static_cast<size_t>(model.tokenizer->size()),
                        .opened = shape.reasoning_opened};
  fields.Int(name, 0, std::numeric_limits<int32_t>::max(), &budget.tokens);
  if (!fields.ok()) return fields.status();
  if (shape.reasoning == text::ReasoningMarks::kNone ||
      model.origin != text::TokenOrigin::kComputed) {
    absl::StrAppend(warning, warning->empty() ? "" : "; ", Absl(name),
                    " without effect: this answer has no reasoning");
    return std::nullopt;
  }
  const Marks marks = MarksOf(shape.reasoning);
  budget.open = IdsOf(marks.open, *model.tokenizer);
  budget.end = IdsOf(marks.end, *model.tokenizer);
  const bool can_open = budget.opened || !budget.open.empty();
  if (budget.end.empty() || budget.end.size() > kMaxEndTokens || !can_open) {
    return WithCode(
        FieldError(name, absl::StrCat("'", Absl(name), "' is not supported here: ",
                                      Absl(marks.end.front()), " is no token of this model")),
        "unsupported_parameter");
  }
  budget.mark = budget.end.front();
  return budget;
}

std::shared_ptr<const TokenConstraint> HoldThinking(ThinkingBudget budget,
                                                    std::shared_ptr<const TokenConstraint> rest) {
  return std::make_shared<const Constraint>(std::move(budget), std::move(rest));
}

}  // namespace waferline::openai
