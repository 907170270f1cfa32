#include "server/http/generation.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/serving/limits.h"
#include "wafer_backend/base/check.h"

namespace waferline::http {
namespace {

// While the socket has more than this to send, tokens wait in the sinks: they share chunks then,
// and a reader that stays slow makes the engine pause its sequence.
constexpr size_t kUnsentBytes = 32 * 1024;
constexpr char kKeepAliveComment[] = ": keep-alive\n\n";

}  // namespace

Generation::Generation(Generations* owner, const Call& call, openai::ParsedRequest parsed)
    : owner_(owner),
      exchange_(call.exchange),
      served_(std::move(parsed.model)),
      shape_(std::make_shared<const openai::ResponseShape>(std::move(parsed.shape))),
      session_(std::make_shared<serving::RequestSession>(
          &owner->deps(), serving::SessionSubject{.caller = call.caller,
                                                  .model = shape_->model,
                                                  .endpoint = call.exchange->request().path,
                                                  .request_id = call.request_id,
                                                  .received = call.exchange->request().received,
                                                  .trace = call.trace})),
      format_(parsed.format(*shape_)),
      choices_(shape_->choices()) {}

void Generation::Start(std::vector<ValidRequest> requests) {
  WL_CHECK(requests.size() == choices_.size());
  std::optional<Refusal> refusal = session_->Charge(requests);
  for (auto& [name, value] : session_->BudgetHeaders()) {
    exchange_->AddHeader(std::move(name), std::move(value));
  }
  if (std::string id = session_->UsageIdText(); !id.empty()) {
    exchange_->AddHeader("x-waferline-usage-id", id);
    choices_.front().result.end.usage_id = std::move(id);
  }
  if (!refusal) refusal = Submit(std::move(requests));
  if (refusal) {
    return owner_->SendError(*EndAnswer(), refusal->status, refusal->retry_after);
  }
  exchange_->OnGone([self = weak_from_this()] {
    if (const auto alive = self.lock()) alive->OnGone();
  });
  exchange_->OnDrained([self = weak_from_this()] {
    const auto alive = self.lock();
    if (alive != nullptr && alive->crowded_) alive->OnNotified();
  });
}

std::optional<Refusal> Generation::Submit(std::vector<ValidRequest> requests) {
  std::vector<serving::RequestSession::Sequence> sequences;
  for (size_t i = 0; i < requests.size(); ++i) {
    choices_[i].sink = std::make_shared<ReplySink>(shape_, i, served_->tokenizer,
                                                   [owner = owner_, self = weak_from_this()] {
                                                     if (auto alive = self.lock())
                                                       owner->writers().Notify(std::move(alive));
                                                   });
    sequences.push_back({std::move(requests[i]), choices_[i].sink});
  }
  return session_->Submit(std::move(sequences));
}

void Generation::OnNotified() {
  if (exchange_ == nullptr) return;
  // A crowded socket calls back when it has drained.
  crowded_ = exchange_->unsent_bytes() > kUnsentBytes;
  if (crowded_) return;
  for (size_t i = 0; i < choices_.size(); ++i) {
    if (!choices_[i].ended) Take(i);
  }
  Answer();
}

void Generation::Take(size_t index) {
  Choice& choice = choices_[index];
  ReplySink::News news = choice.sink->Take();
  choice.admitted |= news.admitted;
  if (news.was_full) session_->Resume(index);
  if (!news.prompt.empty()) choice.result.prompt = std::move(news.prompt);
  if (!news.vector.empty()) choice.result.vector = std::move(news.vector);
  openai::Delta& delta = choice.result.generated;
  delta.text += news.delta.text;
  delta.reasoning += news.delta.reasoning;
  delta.tokens.insert(delta.tokens.end(), std::make_move_iterator(news.delta.tokens.begin()),
                      std::make_move_iterator(news.delta.tokens.end()));
  choice.events.insert(choice.events.end(), std::make_move_iterator(news.events.begin()),
                       std::make_move_iterator(news.events.end()));
  choice.tokens_to_send += news.tokens;
  if (!choice.first_token) choice.first_token = news.first_token;
  if (news.served) choice.served = news.served;
  if (news.refusal) {
    choice.ended = true;
    choice.failure = news.refusal->status;
    choice.retry_after = news.refusal->retry_after;
  }
  if (!news.outcome) return;
  RecordOutcome(choice, *news.outcome);
  if (news.too_large) {
    choice.failure = absl::OutOfRangeError(absl::StrCat(
        "the answer has more than ", serving::kMaxGatheredAlternatives,
        " alternatives of tokens: stream it, or ask for fewer choices, tokens or alternatives"));
  }
  choice.result.end.reasoning_tokens = news.reasoning_tokens;
  choice.result.end.predicted_tokens = news.predicted_tokens;
  choice.result.end.stop = std::move(news.stop);
}

void Generation::RecordOutcome(Choice& choice, const Outcome& outcome) {
  choice.ended = true;
  choice.failure = serving::StatusOf(outcome);
  choice.served = outcome.served;
  choice.result.end = {.reason = outcome.reason,
                       .prompt_tokens = outcome.prompt_tokens,
                       .cached_tokens = outcome.cached_tokens,
                       .generated_tokens = outcome.generated_tokens,
                       .times = outcome.times,
                       .first_token = choice.first_token,
                       .usage_id = std::move(choice.result.end.usage_id),
                       .cost = {}};
}

void Generation::Answer() {
  for (const Choice& choice : choices_) {
    if (!choice.failure.ok()) return SendFailure(choice);
  }
  const auto all = [&](auto what) { return std::all_of(choices_.begin(), choices_.end(), what); };
  if (!shape_->stream) {
    if (all([](const Choice& choice) { return choice.ended; })) SendDocument();
    return;
  }
  if (!headers_sent_ && all([](const Choice& c) { return c.admitted || c.ended; })) {
    headers_sent_ = true;
    StartStream();
  }
  if (headers_sent_) WriteStream();
}

void Generation::StartStream() {
  exchange_->StartStream({.code = 200,
                          .content_type = "text/event-stream; charset=utf-8",
                          .headers = {{"cache-control", "no-cache"}, {"x-accel-buffering", "no"}}},
                         kKeepAliveComment);
  std::string out;
  format_->AppendStart(out);
  if (!out.empty()) exchange_->Write(out);
}

void Generation::WriteStream() {
  std::string out;
  for (size_t i = 0; i < choices_.size(); ++i) {
    if (!choices_[i].finished) WriteChoice(out, i);
  }
  const bool all_finished = std::all_of(choices_.begin(), choices_.end(),
                                        [](const Choice& choice) { return choice.finished; });
  if (all_finished) {
    format_->AppendEnd(out, SumOfUsage());
  }
  exchange_->Write(out);
  if (!all_finished) return;
  session_->RecordAnswered();
  EndAnswer()->Finish();
}

void Generation::WriteChoice(std::string& out, size_t index) {
  WriteNews(out, index);
  Choice& choice = choices_[index];
  if (!choice.ended) return;
  choice.finished = true;
  const bool last =
      std::all_of(choices_.begin(), choices_.end(), [](const Choice& c) { return c.finished; });
  const openai::Usage usage = last ? SumOfUsage() : openai::Usage();
  format_->AppendFinish(out, index, choice.result.end, last ? &usage : nullptr);
}

void Generation::WriteNews(std::string& out, size_t index) {
  Choice& choice = choices_[index];
  if (choice.served) format_->SetServed(*choice.served);
  // The echoed prompt goes first; with log-probabilities it is there when the first token is.
  openai::Delta& delta = choice.result.generated;
  const bool is_empty = delta.empty() && choice.events.empty();
  if (shape_->echo && !choice.prompt_sent && (choice.ended || !is_empty)) {
    choice.prompt_sent = true;
    format_->AppendPrompt(out, index, choice.result.prompt);
  }
  for (const auto& [event, tokens] : choice.events) WriteDelta(out, index, event, tokens);
  choice.events.clear();
  if (delta.empty()) return;
  WriteDelta(out, index, delta, choice.tokens_to_send);
  delta = {};
}

void Generation::WriteDelta(std::string& out, size_t index, const openai::Delta& delta,
                            uint32_t tokens) {
  choices_[index].tokens_to_send -= tokens;
  format_->CountTokens(tokens);
  format_->AppendDelta(out, index, delta);
  session_->RecordSent(tokens);
}

void Generation::SendDocument() {
  choices_.front().result.end.cost = session_->CostText();
  std::vector<openai::ChoiceResult> results;
  ServiceTier served = *choices_.front().served;  // all have ended
  for (Choice& choice : choices_) {
    served = ChargedTier(*choice.served, served);  // the lowest
    results.push_back(std::move(choice.result));
  }
  format_->SetServed(served);
  session_->RecordAnswered();
  EndAnswer()->Send({.content_type = "application/json", .body = format_->Document(results)});
}

void Generation::SendFailure(const Choice& choice) {
  const auto exchange = EndAnswer();
  session_->Cancel();
  if (!headers_sent_) return owner_->SendError(*exchange, choice.failure, choice.retry_after);
  std::string out;
  // What came before it reaches the client before it.
  for (size_t i = 0; i < choices_.size(); ++i) {
    if (!choices_[i].finished) WriteNews(out, i);
  }
  format_->AppendFailure(out, choice.failure);
  exchange->Write(out);
  exchange->Finish();
}

void Generation::OnGone() {
  if (exchange_ == nullptr) return;
  EndAnswer();
  session_->Cancel();
}

std::shared_ptr<Exchange> Generation::EndAnswer() {
  owner_->Remove(shared_from_this());
  return std::exchange(exchange_, nullptr);
}

openai::Usage Generation::SumOfUsage() const {
  std::vector<openai::ChoiceEnd> ends;
  for (const Choice& choice : choices_) ends.push_back(choice.result.end);
  ends.front().cost = session_->CostText();
  return openai::SumUsage(*shape_, ends);
}

}  // namespace waferline::http
