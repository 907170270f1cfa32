// What the engine says about one request, as waferline.v1 messages. Pure but for the text stream's
// state. Owner: one call. Thread: the engine's.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "proto/waferline/v1/inference.pb.h"
#include "scheduler/request/token_sink.h"
#include "server/rpc/request_codec.h"
#include "server/text/served_model.h"
#include "server/text/text_stream.h"

namespace waferline::rpc {

class EventEncoder {
 public:
  explicit EventEncoder(const DecodedRequest& decoded);

  v1::Admitted Admitted() const;
  v1::PromptLogprobs PromptLogprobs(const std::vector<TokenValue>& values) const;
  // `stopped`: a stop string is complete with this token.
  v1::Token Token(const TokenEvent& event, bool* stopped);
  // Also says what text was held back.
  v1::Finished Finished(const Outcome& outcome);

 private:
  bool Ends(TokenId id) const;
  void SetLogprobs(const TokenValue& value, v1::Token* token) const;

  const std::shared_ptr<const text::ServedModel> model_;
  const std::shared_ptr<const std::vector<TokenId>> prompt_;
  const std::string request_id_;
  const std::vector<TokenId> end_ids_;  // give no text, whatever they are
  const bool wants_logprobs_;
  const serving::KvParams handed_over_;
  text::TextStream text_;
  TokenId last_ = -1;        // -1: no token yet
  std::string stop_string_;  // that is complete
};

v1::TokenOrigin OriginOf(const text::ServedModel& model);

}  // namespace waferline::rpc
