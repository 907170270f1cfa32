// The turns of a chat, what of them still fits the model's context, and one answer after another.
// Owner: a command; one thread.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/cli/serving/answer.h"
#include "client/sdk/token_client.h"

namespace waferline::cli {

class Conversation {
 public:
  // `spec`: everything of a request but its prompt. `show`: answers and remarks are printed as they
  // come.
  Conversation(sdk::TokenClient& client, sdk::GenerateSpec spec, bool show);

  // Forgets all turns; `system` is the system text from now on, unless absent.
  void Reset(std::optional<std::string> system = std::nullopt);

  // Asks, with what was said before. The oldest questions with their answers are dropped as long as
  // the context leaves too little room: a quarter of it, or max_tokens. A failed turn leaves the
  // rest as it was; an interrupted one keeps what came.
  absl::Status Say(const std::string& message);

  // NotFound, with those there are, if the server lists no such model. The turns stay.
  absl::Status UseModel(const std::string& name);
  const std::string& model() const { return spec_.model; }

  const sdk::Ending& last() const { return last_; }
  // The last answer, by Ctrl-C.
  bool interrupted() const { return interrupted_; }
  // {"model", "messages", and what Describe gives of the last answer}
  boost::json::object ToJson() const;

 private:
  bool DropOldest();
  void MakeRoom();
  int64_t Bytes() const;

  sdk::TokenClient& client_;
  sdk::GenerateSpec spec_;
  const bool show_;
  std::string system_;
  std::vector<sdk::ChatTurn> turns_;
  sdk::Ending last_;
  bool interrupted_ = false;
  uint32_t context_ = 0;          // of the model, in tokens; 0: not known
  double bytes_per_token_ = 3.0;  // of this conversation, from the last answer's usage
};

}  // namespace waferline::cli
