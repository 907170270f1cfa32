#include "server/http/reply_sink.h"

#include <utility>

#include "server/serving/limits.h"

namespace waferline::http {

ReplySink::ReplySink(std::shared_ptr<const openai::ResponseShape> shape, size_t choice,
                     std::shared_ptr<const model::Tokenizer> tokenizer,
                     std::function<void()> notify)
    : shape_(shape),
      choice_(choice),
      notify_(std::move(notify)),
      text_(shape, std::move(tokenizer)) {}

ReplySink::News ReplySink::Take() {
  MutexLock lock(&mutex_);
  notified_ = false;
  News fresh;
  fresh.admitted = news_.admitted;
  return std::exchange(news_, std::move(fresh));
}

void ReplySink::EndEvent() {
  news_.events.emplace_back(std::exchange(news_.delta, {}), std::exchange(tokens_of_event_, 0));
}

bool ReplySink::NeedsNotify() { return !std::exchange(notified_, true); }

void ReplySink::OnAdmitted() {
  {
    MutexLock lock(&mutex_);
    news_.admitted = true;
    if (!shape_->stream || !NeedsNotify()) return;  // a document has nothing to send yet
  }
  notify_();
}

void ReplySink::HandleRefusal(const Refusal& refusal) {
  {
    MutexLock lock(&mutex_);
    news_.refusal = refusal;
    if (!NeedsNotify()) return;
  }
  notify_();
}

void ReplySink::OnPromptLogprobs(const std::vector<TokenValue>& logprobs) {
  auto details = openai::PromptDetails(shape_->PromptOf(choice_), logprobs);
  MutexLock lock(&mutex_);
  news_.prompt = std::move(details);  // what follows notifies
}

void ReplySink::OnPromptVector(const std::vector<float>& vector) {
  MutexLock lock(&mutex_);
  news_.vector = vector;  // what follows notifies
}

TokenSink::Verdict ReplySink::OnToken(const TokenEvent& token) {
  Verdict verdict = Verdict::kContinue;
  {
    MutexLock lock(&mutex_);
    if (text_.Feed(token, &news_.delta)) verdict = Verdict::kStop;
    if (news_.tokens++ == 0) news_.first_token = token.since_arrival;
    news_.served = token.served;
    if (!shape_->stream) {
      gathered_ += token.value->top.size();
      news_.too_large = gathered_ > serving::kMaxGatheredAlternatives / shape_->choices();
      return news_.too_large ? Verdict::kStop : verdict;
    }
    ++tokens_of_event_;
    if (shape_->token_events && !news_.delta.empty()) EndEvent();
    if (verdict == Verdict::kContinue && news_.tokens >= kBufferedTokens) {
      news_.was_full = true;
      verdict = Verdict::kFull;
    }
    const bool nothing = news_.delta.empty() && news_.events.empty();
    if (nothing && verdict != Verdict::kFull) return verdict;  // nothing to show yet
    if (!NeedsNotify()) return verdict;
  }
  notify_();
  return verdict;
}

void ReplySink::HandleOutcome(const Outcome& outcome) {
  {
    MutexLock lock(&mutex_);
    text_.Finish(&news_.delta);
    news_.reasoning_tokens = text_.reasoning_tokens();
    news_.predicted_tokens = text_.predicted_tokens();
    news_.stop = text_.stop();
    if (shape_->token_events && !news_.delta.empty()) EndEvent();
    news_.outcome = outcome;
    if (!NeedsNotify()) return;
  }
  notify_();
}

}  // namespace waferline::http
