#include "server/text/reasoning.h"

#include <algorithm>
#include <array>
#include <utility>

namespace waferline::text {
namespace {

constexpr std::string_view kOpen = "<think>";
constexpr std::string_view kClose = "</think>";
constexpr std::array<std::string_view, 6> kChannelMarks = {
    "<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|return|>", "<|call|>"};
constexpr std::string_view kReasoningChannel = "analysis";
constexpr std::string_view kChannel = "<|channel|>", kMessage = "<|message|>";
constexpr std::string_view kToFunction = " to=functions.";
constexpr size_t kMaxHeaderBytes = 160;  // the rest of a longer one says nothing more
constexpr size_t kPromptTokens = 16;     // that are looked at: the mark may be several tokens
constexpr std::string_view kWhiteSpace = " \t\r\n";

}  // namespace

ReasoningMarks ReasoningMarksOf(std::string_view chat_template) {
  const auto has = [&](std::string_view mark) { return chat_template.find(mark) != mark.npos; };
  if (has("<|channel|>") && has("<|message|>")) return ReasoningMarks::kChannels;
  return has(kOpen) || has(kClose) ? ReasoningMarks::kThink : ReasoningMarks::kNone;
}

std::vector<TokenId> MarkTokens(ReasoningMarks marks, const model::Tokenizer& tokenizer) {
  std::vector<TokenId> ids;
  const auto add = [&](std::string_view name) {
    if (const auto id = tokenizer.FindSpecial(name)) ids.push_back(*id);
  };
  if (marks == ReasoningMarks::kThink) {
    add(kOpen);
    add(kClose);
  } else if (marks == ReasoningMarks::kChannels) {
    for (std::string_view mark : kChannelMarks) add(mark);
  }
  return ids;
}

bool OpensReasoning(ReasoningMarks marks, const model::Tokenizer& tokenizer,
                    const std::vector<TokenId>& prompt) {
  if (marks != ReasoningMarks::kThink) return false;
  std::string end;
  for (size_t i = prompt.size() - std::min(prompt.size(), kPromptTokens); i < prompt.size(); ++i) {
    end += tokenizer.Piece(prompt[i]);
  }
  end.erase(end.find_last_not_of(kWhiteSpace) + 1);
  return end.ends_with(kOpen);
}

ReasoningSplitter::ReasoningSplitter(ReasoningMarks marks, bool opened, bool with_calls)
    : with_calls_(with_calls) {
  if (marks == ReasoningMarks::kThink) {
    marks_ = {{kOpen, Step::kOpen}, {kClose, Step::kClose}};
    state_ = opened ? State::kReasoning : State::kBegin;
    skip_space_ = opened;
    return;
  }
  state_ = State::kAnswer;
  if (marks == ReasoningMarks::kNone) return;
  constexpr std::array<Step, kChannelMarks.size()> kSteps = {
      Step::kHeader, Step::kHeader, Step::kBody, Step::kBetween, Step::kBetween, Step::kBetween};
  for (size_t i = 0; i < kChannelMarks.size(); ++i) marks_.push_back({kChannelMarks[i], kSteps[i]});
}

ReasoningSplitter::Parts ReasoningSplitter::Feed(std::string_view text) {
  Parts parts;
  while (!text.empty()) {
    const size_t plain = held_.empty() ? std::min(text.find('<'), text.size()) : 0;
    if (plain > 0) {
      AddText(text.substr(0, plain), &parts);
      text.remove_prefix(plain);
      continue;
    }
    const char c = text.front();
    text.remove_prefix(1);
    if (c == '<' && !held_.empty()) AddText(std::exchange(held_, {}), &parts);
    held_ += c;
    const auto begins = [this](const Mark& mark) { return mark.text.starts_with(held_); };
    const auto mark = std::find_if(marks_.begin(), marks_.end(), begins);
    if (mark == marks_.end()) {
      AddText(std::exchange(held_, {}), &parts);
    } else if (mark->text == held_) {
      const std::string whole = std::exchange(held_, {});
      if (!Apply(mark->step, &parts)) AddText(whole, &parts);
    }
  }
  return parts;
}

ReasoningSplitter::Parts ReasoningSplitter::Finish() {
  Parts parts;
  AddText(std::exchange(held_, {}), &parts);
  parts.answer += std::exchange(space_, {});
  return parts;
}

void ReasoningSplitter::AddText(std::string_view text, Parts* parts) {
  if (state_ == State::kHeader) {
    header_ += text.substr(0, kMaxHeaderBytes - std::min(header_.size(), kMaxHeaderBytes));
    return;
  }
  if (state_ == State::kBetween) return;
  if (skip_space_) {
    text.remove_prefix(std::min(text.find_first_not_of(kWhiteSpace), text.size()));
    if (text.empty()) return;
    skip_space_ = false;
  }
  if (state_ == State::kReasoning) {
    parts->reasoning += text;
    return;
  }
  if (state_ == State::kBegin) {
    space_ += text;
    if (text.find_first_not_of(kWhiteSpace) == text.npos) return;
    state_ = State::kAnswer;
    parts->answer += std::exchange(space_, {});
    return;
  }
  parts->answer += text;
}

// False: the mark means nothing here, it is text.
bool ReasoningSplitter::Apply(Step step, Parts* parts) {
  switch (step) {
    case Step::kOpen:
      if (state_ != State::kBegin) return false;
      space_.clear();
      Enter(State::kReasoning);
      return true;
    case Step::kClose:
      if (state_ != State::kReasoning) return false;
      Enter(State::kAnswer);
      return true;
    case Step::kHeader:
      header_.clear();
      Enter(State::kHeader);
      return true;
    case Step::kBody:
      Enter(header_.starts_with(kReasoningChannel) ? State::kReasoning : State::kAnswer);
      if (with_calls_ && header_.find(kToFunction) != header_.npos) {
        state_ = State::kAnswer;
        parts->answer.append(kChannel).append(header_).append(kMessage);
      }
      return true;
    case Step::kBetween:
      Enter(State::kBetween);
      return true;
  }
  return false;
}

void ReasoningSplitter::Enter(State state) {
  state_ = state;
  skip_space_ = marks_.front().step == Step::kOpen;  // channels have no white space to drop
}

}  // namespace waferline::text
