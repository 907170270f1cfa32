// One completion or chat request from its body to the last byte of its answer, and on to the last
// of its outcomes.
//
//   parse -> charge the budget -> submit one sequence a choice -> (all admitted) headers -> tokens
//   -> outcomes -> settle
//
// Headers go out only when every choice is admitted, so a refusal is a real HTTP code; a failure
// after that is an event with `error`. A client that goes away cancels what is in flight, and what
// it used is still settled.
//
// Owner: the Generations it belongs to, until every choice has ended. Thread: io.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "scheduler/request/front_door.h"
#include "server/http/generations.h"
#include "server/http/reply_sink.h"
#include "server/openai/answer_writer.h"
#include "server/openai/request.h"

namespace waferline::http {

class Generation : public std::enable_shared_from_this<Generation> {
 public:
  Generation(Generations* owner, const Call& call, openai::ParsedRequest parsed);

  // Charges and submits, or answers with why not; then nothing is in flight.
  void Start(std::vector<ValidRequest> requests);
  // Takes what the engine has put into the sinks and writes what can be written.
  void Pump();
  bool done() const { return done_; }

 private:
  struct Choice {
    std::shared_ptr<ReplySink> sink;
    Ticket ticket;
    openai::ChoiceResult result;  // grows while a document is collected
    bool admitted = false;
    bool ended = false;     // refused or an outcome
    bool finished = false;  // its last event is written
    bool prompt_sent = false;
    uint32_t tokens_to_send = 0;  // behind result.generated, for streams
    absl::Status failure;
    Nanoseconds retry_after;
  };

  const std::string& model() const { return shape_->model; }
  bool Charge(const std::vector<ValidRequest>& requests);
  void Submit(std::vector<ValidRequest> requests);
  void Take(Choice& choice);
  void Note(Choice& choice, const Outcome& outcome);
  void Answer();
  void WriteStream();
  void WriteChoice(std::string& out, size_t index);
  void WriteNews(std::string& out, size_t index);
  void SendDocument();
  void SendFailure(const Choice& choice);
  void CancelAll();
  void OnGone();
  void EndOfAnswer(int code);
  void EndOfAll();
  openai::Usage SumOfUsage() const;

  Generations* const owner_;
  std::shared_ptr<Exchange> exchange_;  // null when the answer is over
  const Nanoseconds received_;
  const tenancy::Caller caller_;
  const std::shared_ptr<const text::ServedModel> served_;
  const std::shared_ptr<const openai::ResponseShape> shape_;
  openai::AnswerWriter writer_;
  std::vector<Choice> choices_;
  int64_t charged_tokens_ = 0;
  int64_t used_tokens_ = 0;
  bool headers_sent_ = false;
  bool crowded_ = false;  // the socket has enough to send; tokens wait in the sinks
  bool first_token_seen_ = false;
  bool done_ = false;
};

}  // namespace waferline::http
