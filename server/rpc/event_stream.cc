#include "server/rpc/event_stream.h"

#include <utility>

namespace waferline::rpc {

EventStream::EventStream(const CallDeps& deps, grpc::CallbackServerContext* context,
                         std::string request_id)
    : LiveCall(deps, context, std::move(request_id)), buffer_(deps.buffered_tokens) {}

void EventStream::OnAdmitted() {
  MutexLock lock(&mutex_);
  buffer_.Admit(encoder_->Admitted());
  if (!writing_) Notify();
}

void EventStream::OnPromptLogprobs(const std::vector<TokenValue>& logprobs) {
  v1::PromptLogprobs encoded = encoder_->PromptLogprobs(logprobs);
  MutexLock lock(&mutex_);
  buffer_.PromptLogprobs(std::move(encoded));
  if (!writing_) Notify();
}

TokenSink::Verdict EventStream::OnToken(const TokenEvent& event) {
  MutexLock lock(&mutex_);
  if (gone_) return Verdict::kContinue;  // its Cancel is on the way
  const bool stopped = encoder_->Token(event, buffer_.Add());
  if (buffer_.full()) paused_ = true;
  if (!writing_) Notify();
  if (stopped) return Verdict::kStop;
  return paused_ ? Verdict::kFull : Verdict::kContinue;
}

void EventStream::OnEnd(v1::Finished finished, const grpc::Status& status) {
  End({.finished = std::move(finished), .status = status, .failed = !status.ok()});
}

void EventStream::End(Ending ending) {
  MutexLock lock(&mutex_);
  if (ending.finished) buffer_.Finish(*std::move(ending.finished));
  end_ = std::move(ending.status);
  const bool reader_stalled = paused_ && ending.failed;
  if (reader_stalled) CutTransport();
  if (!writing_) Notify();
}

void EventStream::HandleWritten(bool ok) {
  {
    MutexLock lock(&mutex_);
    writing_ = false;
    if (!ok) gone_ = true;
  }
  Advance();
}

void EventStream::Advance() {
  bool resume = false;
  std::optional<grpc::Status> end;
  {
    MutexLock lock(&mutex_);
    if (!opened_ || writing_ || finished_) return;
    if (gone_) {
      finished_ = true;
      end = grpc::Status::CANCELLED;
    } else if (buffer_.Next(&message_)) {
      writing_ = true;
      resume = paused_ && buffer_.has_room();
      if (resume) paused_ = false;
    } else if (end_) {
      finished_ = true;
      end = end_;
    } else {
      return;
    }
  }
  // From here this thread alone touches the transport: no other writes while writing_, or anything
  // after finished_. A finished call may be gone after its Finish.
  if (end) {
    if (end->ok()) session_->RecordAnswered();
    Close(*end);
    return;
  }
  const int tokens = message_.tokens().tokens_size();
  if (tokens > 0) session_->RecordSent(static_cast<uint32_t>(tokens));
  Write(message_);
  if (resume) session_->Resume(0);
}

}  // namespace waferline::rpc
