#include "server/openai/choice_text.h"

#include <algorithm>

#include "server/openai/json_text.h"

namespace waferline::openai {

ChoiceText::ChoiceText(std::shared_ptr<const ResponseShape> shape,
                       std::shared_ptr<const model::Tokenizer> tokenizer)
    : shape_(std::move(shape)),
      tokenizer_(std::move(tokenizer)),
      stream_(tokenizer_, shape_->text),
      splitter_(shape_->reasoning, shape_->reasoning_opened, shape_->calls.has_value()) {
  if (shape_->prediction != nullptr) predicted_.emplace(shape_->prediction);
}

bool ChoiceText::Feed(const TokenEvent& token, Delta* delta) {
  const TokenId id = token.value->id;
  const bool is_end =
      std::find(shape_->end_ids.begin(), shape_->end_ids.end(), id) != shape_->end_ids.end();
  if (shape_->wants_details()) Hold(token, is_end);
  if (is_end) return false;  // the engine ends the choice by itself
  if (splitter_.reasoning()) {
    ++reasoning_tokens_;
  } else if (predicted_) {
    predicted_->Append(id);
  }
  text::TextStream::Delta piece = stream_.Feed(id);
  if (piece.stopped) stop_ = std::move(piece.stop);
  Show(piece.text, delta);
  Release(delta, false);
  return piece.stopped;
}

void ChoiceText::Hold(const TokenEvent& token, bool is_end) {
  const TokenValue& value = *token.value;
  const bool hidden = is_end || (shape_->text.skip_special && tokenizer_->IsSpecial(value.id));
  held_.push_back({{.id = value.id,
                    .visible = !hidden,
                    .logprob = value.logprob,
                    .top = value.top,
                    .since_arrival_ns = token.since_arrival.count()},
                   static_cast<int64_t>(stream_.characters())});
}

void ChoiceText::Show(const std::string& text, Delta* delta) {
  if (shape_->reasoning == text::ReasoningMarks::kNone) {
    delta->text += text;
  } else {
    Add(splitter_.Feed(text), delta);
  }
  if (shape_->wants_details()) shown_characters_ += CountCodePoints(text);
}

void ChoiceText::Add(text::ReasoningSplitter::Parts parts, Delta* delta) const {
  delta->text += parts.answer;
  if (shape_->include_reasoning) delta->reasoning += parts.reasoning;
}

void ChoiceText::Release(Delta* delta, bool all) {
  size_t count = 0;
  while (count < held_.size() && (all || held_[count].begins < shown_characters_)) ++count;
  for (size_t i = 0; i < count; ++i) delta->tokens.push_back(std::move(held_[i].detail));
  held_.erase(held_.begin(), held_.begin() + static_cast<ptrdiff_t>(count));
}

void ChoiceText::Finish(Delta* delta) {
  const bool stopped = stream_.stopped();
  text::TextStream::Delta piece = stream_.Finish();
  if (piece.stopped) stop_ = std::move(piece.stop);
  Show(piece.text, delta);
  Add(splitter_.Finish(), delta);
  if (stopped) {
    for (Held& held : held_) {
      if (held.begins >= shown_characters_) held.detail.visible = false;
    }
  }
  Release(delta, true);
}

std::vector<TokenDetail> PromptDetails(const ResponseShape::Prompt& prompt,
                                       const std::vector<TokenValue>& values) {
  std::vector<TokenDetail> details;
  for (size_t i = 0; i < prompt.tokens->size(); ++i) {
    TokenDetail& detail = details.emplace_back();
    detail.id = (*prompt.tokens)[i];
    detail.of_prompt = true;
    detail.has_logprob = i > 0 && i - 1 < values.size();
    if (!detail.has_logprob) continue;
    detail.logprob = values[i - 1].logprob;
    detail.top = values[i - 1].top;
  }
  return details;
}

}  // namespace waferline::openai
