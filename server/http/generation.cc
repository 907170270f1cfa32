#include "server/http/generation.h"

#include <algorithm>
#include <utility>

#include "wafer_backend/base/check.h"

namespace waferline::http {
namespace {

// While the socket has more than this to send, tokens wait in the sinks: they share chunks then,
// and a reader that stays slow makes the engine pause its sequence.
constexpr size_t kUnsentBytes = 32 * 1024;
// The mailbox is full for as long as the engine needs for one turn.
constexpr Nanoseconds kMailboxRetry = Seconds(1);

// What an outcome without an answer means to the client; OK for those with one.
absl::Status FailureOf(const Outcome& outcome) {
  switch (outcome.reason) {
    case FinishReason::kStop:
    case FinishReason::kLength:
      return absl::OkStatus();
    case FinishReason::kDeadline:
      return outcome.status.ok()
                 ? absl::DeadlineExceededError("the request's deadline passed before its answer")
                 : outcome.status;
    case FinishReason::kCancelled:
      return outcome.status.ok() ? absl::CancelledError("the request was cancelled")
                                 : outcome.status;
    case FinishReason::kFailed:
      break;
  }
  return outcome.status.ok() ? absl::InternalError("the request failed") : outcome.status;
}

}  // namespace

Generation::Generation(Generations* owner, const Call& call, openai::ParsedRequest parsed)
    : owner_(owner),
      exchange_(call.exchange),
      received_(call.exchange->request().received),
      caller_(call.caller),
      served_(std::move(parsed.model)),
      shape_(std::make_shared<const openai::ResponseShape>(std::move(parsed.shape))),
      writer_(*shape_, *served_->tokenizer),
      choices_(shape_->choices()) {}

void Generation::Start(std::vector<ValidRequest> requests) {
  WL_CHECK(requests.size() == choices_.size());
  if (!Charge(requests)) return;
  Submit(std::move(requests));
  if (exchange_ == nullptr) return;
  exchange_->OnGone([self = weak_from_this()] {
    if (const auto alive = self.lock()) alive->OnGone();
  });
  exchange_->OnDrained([self = weak_from_this()] {
    const auto alive = self.lock();
    if (alive != nullptr && std::exchange(alive->crowded_, false)) alive->owner_->Ring(alive);
  });
}

bool Generation::Charge(const std::vector<ValidRequest>& requests) {
  const Surroundings& around = owner_->surroundings();
  for (const ValidRequest& request : requests) {
    charged_tokens_ += static_cast<int64_t>(request.prompt->size()) + request.max_tokens;
  }
  const Nanoseconds now = around.clock.monotonic();
  const auto over = around.budgets->Charge(caller_.tenant, charged_tokens_, now);
  for (auto& [name, value] : around.budgets->Describe(caller_.tenant, now)) {
    exchange_->AddHeader(name, value);
  }
  if (!over) return true;
  around.metrics->OnTurnedAway("budget");
  charged_tokens_ = 0;
  done_ = true;
  owner_->SendError(*exchange_, over->status, over->retry_after);
  return false;
}

// All choices or none: a mailbox that fills up in between takes the first ones back.
void Generation::Submit(std::vector<ValidRequest> requests) {
  for (size_t i = 0; i < requests.size(); ++i) {
    Choice& choice = choices_[i];
    choice.sink = std::make_shared<ReplySink>(
        shape_, i, served_->tokenizer,
        [owner = owner_, self = weak_from_this()] { owner->Ring(self); });
    requests[i].sink = choice.sink;
    auto ticket = owner_->surroundings().door->Submit(std::move(requests[i]));
    if (ticket.ok()) {
      choice.ticket = *ticket;
      continue;
    }
    choices_.resize(i);
    owner_->SendError(*exchange_, ticket.status(), kMailboxRetry);
    EndOfAnswer(503);
    CancelAll();
    if (choices_.empty()) EndOfAll();
    return;
  }
}

void Generation::Pump() {
  // A crowded socket calls back when it has drained.
  crowded_ = exchange_ != nullptr && exchange_->unsent_bytes() > kUnsentBytes;
  if (crowded_) return;
  for (Choice& choice : choices_) {
    if (!choice.ended) Take(choice);
  }
  if (exchange_ != nullptr) Answer();
  const bool all_ended = std::all_of(choices_.begin(), choices_.end(),
                                     [](const Choice& choice) { return choice.ended; });
  if (all_ended && exchange_ == nullptr) EndOfAll();
}

void Generation::Take(Choice& choice) {
  ReplySink::News news = choice.sink->Take();
  choice.admitted |= news.admitted;
  if (news.was_full) owner_->surroundings().door->Resume(choice.ticket);
  if (!news.prompt.empty()) choice.result.prompt = std::move(news.prompt);
  openai::Delta& delta = choice.result.generated;
  delta.text += news.delta.text;
  delta.tokens.insert(delta.tokens.end(), std::make_move_iterator(news.delta.tokens.begin()),
                      std::make_move_iterator(news.delta.tokens.end()));
  choice.tokens_to_send += news.tokens;
  if (news.refusal) {
    choice.ended = true;
    choice.failure = news.refusal->status;
    choice.retry_after = news.refusal->retry_after;
  }
  if (news.outcome) Note(choice, *news.outcome);
}

void Generation::Note(Choice& choice, const Outcome& outcome) {
  choice.ended = true;
  choice.failure = FailureOf(outcome);
  choice.result.end = {.reason = outcome.reason,
                       .prompt_tokens = outcome.prompt_tokens,
                       .cached_tokens = outcome.cached_tokens,
                       .generated_tokens = outcome.generated_tokens,
                       .times = outcome.times};
  used_tokens_ += outcome.prompt_tokens + outcome.generated_tokens;
  owner_->surroundings().ledger->Record(caller_.tenant, model(), outcome);
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
    exchange_->StartStream(
        {.code = 200,
         .content_type = "text/event-stream",
         .headers = {{"cache-control", "no-cache"}, {"x-accel-buffering", "no"}}},
        std::string(openai::kKeepAliveComment));
  }
  if (headers_sent_) WriteStream();
}

void Generation::WriteStream() {
  std::string out;
  for (size_t i = 0; i < choices_.size(); ++i) {
    if (!choices_[i].finished) WriteChoice(out, i);
  }
  const bool all_finished = std::all_of(choices_.begin(), choices_.end(),
                                        [](const Choice& choice) { return choice.finished; });
  if (all_finished) {
    if (shape_->include_usage) writer_.AppendUsage(out, SumOfUsage());
    out += openai::kDoneEvent;
  }
  exchange_->Write(out);
  if (!all_finished) return;
  const auto exchange = exchange_;
  EndOfAnswer(200);
  exchange->Finish();
}

void Generation::WriteChoice(std::string& out, size_t index) {
  WriteNews(out, index);
  Choice& choice = choices_[index];
  if (!choice.ended) return;
  choice.finished = true;
  const bool last =
      std::all_of(choices_.begin(), choices_.end(), [](const Choice& c) { return c.finished; });
  const openai::Usage usage = last ? SumOfUsage() : openai::Usage();
  writer_.AppendFinish(out, index, choice.result.end.reason, last ? &usage : nullptr);
}

void Generation::WriteNews(std::string& out, size_t index) {
  Choice& choice = choices_[index];
  const Surroundings& around = owner_->surroundings();
  // The echoed prompt goes first; with log-probabilities it is there when the first token is.
  openai::Delta& delta = choice.result.generated;
  if (shape_->echo && !choice.prompt_sent && (choice.ended || !delta.empty())) {
    choice.prompt_sent = true;
    writer_.AppendPrompt(out, index, choice.result.prompt);
  }
  if (!delta.empty()) {
    if (!std::exchange(first_token_seen_, true)) {
      around.metrics->OnHostFirstToken(model(), around.clock.monotonic() - received_);
    }
    writer_.AppendDelta(out, index, delta);
    around.metrics->OnStreamEvent(model(), std::exchange(choice.tokens_to_send, 0));
    delta = {};
  }
}

void Generation::SendDocument() {
  std::vector<openai::ChoiceResult> results;
  for (Choice& choice : choices_) results.push_back(std::move(choice.result));
  const auto exchange = exchange_;
  EndOfAnswer(200);
  exchange->Send({.content_type = "application/json", .body = writer_.Document(results)});
}

void Generation::SendFailure(const Choice& choice) {
  const auto exchange = exchange_;
  EndOfAnswer(openai::HttpCode(choice.failure));
  CancelAll();
  if (!headers_sent_) return owner_->SendError(*exchange, choice.failure, choice.retry_after);
  std::string out;
  // What came before it reaches the client before it.
  for (size_t i = 0; i < choices_.size(); ++i) {
    if (!choices_[i].finished) WriteNews(out, i);
  }
  openai::AnswerWriter::AppendFailure(out, choice.failure);
  out += openai::kDoneEvent;
  exchange->Write(out);
  exchange->Finish();
}

void Generation::CancelAll() {
  for (const Choice& choice : choices_) {
    if (!choice.ended) owner_->surroundings().door->Cancel(choice.ticket);
  }
}

void Generation::OnGone() {
  if (exchange_ == nullptr) return;
  EndOfAnswer(499);
  CancelAll();
  owner_->Ring(weak_from_this());  // the outcomes may all be there already
}

// The client has its answer, or will never have it; outcomes may still be on their way.
void Generation::EndOfAnswer(int code) {
  const Surroundings& around = owner_->surroundings();
  if (code == 200) around.metrics->OnHostEnd(model(), around.clock.monotonic() - received_);
  exchange_.reset();
}

void Generation::EndOfAll() {
  if (std::exchange(done_, true)) return;
  const Surroundings& around = owner_->surroundings();
  around.budgets->Settle(caller_.tenant, charged_tokens_, used_tokens_, around.clock.monotonic());
}

openai::Usage Generation::SumOfUsage() const {
  std::vector<openai::ChoiceEnd> ends;
  for (const Choice& choice : choices_) ends.push_back(choice.result.end);
  return openai::SumUsage(*shape_, ends);
}

}  // namespace waferline::http
