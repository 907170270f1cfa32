// The answer to one completion or chat request, from its parsed body to its last byte:
//
//   charge and submit (serving::RequestSession) -> (all admitted) headers -> tokens -> end
//
// Headers go out only when every choice is admitted, so a refusal is a real HTTP code; a failure
// after that is an event with `error`. A client that goes away cancels what is in flight; its
// session still records and settles what it used.
//
// Owner: the Generations it belongs to, until the answer is over. Thread: io.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/http/generations.h"
#include "server/http/reply_sink.h"
#include "server/openai/answer_format.h"
#include "server/openai/request.h"
#include "server/serving/request_session.h"

namespace waferline::http {

class Generation final : public serving::QueuedWriter,
                         public std::enable_shared_from_this<Generation> {
 public:
  Generation(Generations* owner, const Call& call, openai::ParsedRequest parsed);

  // Charges and submits, or answers with why not.
  void Start(std::vector<ValidRequest> requests);
  // Takes what the engine has put into the sinks and writes what can be written.
  void OnNotified() override;

 private:
  struct Choice {
    std::shared_ptr<ReplySink> sink;
    openai::ChoiceResult result;  // grows while a document is collected
    bool admitted = false;
    bool ended = false;     // refused or an outcome
    bool finished = false;  // its last event is written
    bool prompt_sent = false;
    uint32_t tokens_to_send = 0;                             // of result.generated, for streams
    std::vector<std::pair<openai::Delta, uint32_t>> events;  // to send, one a token
    std::optional<Nanoseconds> first_token;                  // since arrival
    std::optional<ServiceTier> served;                       // none: no token came
    absl::Status failure;
    Nanoseconds retry_after;
  };

  std::optional<Refusal> Submit(std::vector<ValidRequest> requests);
  void Take(size_t index);
  static void RecordOutcome(Choice& choice, const Outcome& outcome);
  void Answer();
  void StartStream();
  void WriteStream();
  void WriteChoice(std::string& out, size_t index);
  void WriteNews(std::string& out, size_t index);
  void WriteDelta(std::string& out, size_t index, const openai::Delta& delta, uint32_t tokens);
  void SendDocument();
  void SendFailure(const Choice& choice);
  void OnGone();
  // The client has its answer, or will never have it: gives the exchange for its last bytes.
  std::shared_ptr<Exchange> EndAnswer();
  openai::Usage SumOfUsage() const;

  Generations* const owner_;
  std::shared_ptr<Exchange> exchange_;  // null when the answer is over
  const std::shared_ptr<const text::ServedModel> served_;
  const std::shared_ptr<const openai::ResponseShape> shape_;
  const std::shared_ptr<serving::RequestSession> session_;
  const std::unique_ptr<openai::AnswerFormat> format_;
  std::vector<Choice> choices_;
  bool headers_sent_ = false;
  bool crowded_ = false;  // the socket has enough to send; tokens wait in the sinks
};

}  // namespace waferline::http
