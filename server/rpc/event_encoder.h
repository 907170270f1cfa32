// What the engine says about one request, as waferline.v1 messages. Pure but for the state of
// what reads the text. Owner: one call. Thread: the engine's.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proto/waferline/v1/inference.pb.h"
#include "scheduler/request/token_sink.h"
#include "server/rpc/request_codec.h"
#include "server/text/reasoning.h"
#include "server/text/served_model.h"
#include "server/text/text_stream.h"
#include "server/text/tool_call_reader.h"

namespace waferline::rpc {

class EventEncoder {
 public:
  explicit EventEncoder(const DecodedRequest& decoded);

  v1::Admitted Admitted() const;
  v1::PromptLogprobs PromptLogprobs(const std::vector<TokenValue>& values) const;
  // Writes an empty token. True: a stop string is complete with it.
  bool Token(const TokenEvent& event, v1::Token* token);
  // Also says what text was held back.
  v1::Finished Finished(const Outcome& outcome);

 private:
  // What may be seen of a piece of text.
  struct Seen {
    std::string text, reasoning;
    std::vector<v1::ToolCallPart> calls;
  };
  Seen See(text::ReasoningSplitter::Parts parts, bool last);
  bool Ends(TokenId id) const;
  void SetLogprobs(const TokenValue& value, v1::Token* token) const;

  const std::shared_ptr<const text::ServedModel> model_;
  const std::shared_ptr<const std::vector<TokenId>> prompt_;
  const std::string request_id_;
  const std::vector<TokenId> end_ids_;  // give no text, whatever they are
  const bool wants_logprobs_;
  const serving::KvParams handed_over_;
  const bool include_reasoning_;
  text::TextStream text_;
  text::ReasoningSplitter splitter_;
  std::optional<text::ToolCallReader> calls_;  // if tools may be called
  uint32_t reasoning_tokens_ = 0;
  std::optional<PredictionCursor> predicted_;
  TokenId last_ = -1;        // -1: no token yet
  std::string stop_string_;  // that is complete
};

v1::TokenOrigin OriginOf(const text::ServedModel& model);

}  // namespace waferline::rpc
