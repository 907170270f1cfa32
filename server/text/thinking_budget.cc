#include "server/text/thinking_budget.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/strings.h"

namespace waferline::text {
namespace {

// Marks are tokens of their own, what stands between them is text.
struct Marks {
  std::vector<std::string_view> open, end;  // the first of `end` ends the reasoning by itself
};
Marks MarksOf(ReasoningMarks marks) {
  if (marks == ReasoningMarks::kThink) return {{"<think>"}, {"</think>"}};
  return {{"<|channel|>", "analysis", "<|message|>"},
          {"<|end|>", "<|start|>", "assistant", "<|channel|>", "final", "<|message|>"}};
}

// Empty if a mark is not a token.
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

absl::StatusOr<ThinkingBudget> MakeThinkingBudget(const ThinkingRequest& request,
                                                  const model::Tokenizer& tokenizer) {
  WL_CHECK(request.marks != ReasoningMarks::kNone);
  ThinkingBudget budget{.tokens = request.tokens,
                        .vocabulary = static_cast<size_t>(tokenizer.size()),
                        .opened = request.opened};
  const Marks marks = MarksOf(request.marks);
  budget.open = IdsOf(marks.open, tokenizer);
  budget.end = IdsOf(marks.end, tokenizer);
  const bool can_open = budget.opened || !budget.open.empty();
  if (budget.end.empty() || budget.end.size() > kMaxEndTokens || !can_open) {
    return absl::InvalidArgumentError(
        absl::StrCat(Absl(marks.end.front()), " is not a token of this model"));
  }
  budget.mark = budget.end.front();
  return budget;
}

std::shared_ptr<const TokenConstraint> HoldThinking(ThinkingBudget budget,
                                                    std::shared_ptr<const TokenConstraint> rest) {
  return std::make_shared<const Constraint>(std::move(budget), std::move(rest));
}

}  // namespace waferline::text
