// Answers to completions and chats: a stream of server-sent events, or one JSON document.
//
// Stream, for each choice: (chat: a chunk with the role,) chunks with content, one with
// finish_reason; after the last choice, with include_usage, one with `choices: []`; then [DONE].
// time_info, the emulated times of the slowest choice, is in the finishing chunk of the last choice
// and in the usage chunk. Its first_token_time is when the first token left the emulated pipeline.
//
// Owner: what writes the answer; not thread-safe. Cost: a plain content chunk is a few appends;
// what does not change in a response is rendered once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "server/openai/answer_format.h"
#include "server/openai/response_shape.h"
#include "server/text/tool_call_reader.h"
#include "wafer_backend/compute/model/tokenizer.h"

namespace waferline::openai {

inline constexpr std::string_view kDoneEvent = "data: [DONE]\n\n";

class AnswerWriter final : public AnswerFormat {
 public:
  // Both must outlive the writer.
  AnswerWriter(const ResponseShape& shape, const model::Tokenizer& tokenizer);

  void AppendStart(std::string&) override {}
  void AppendPrompt(std::string& out, size_t choice,
                    const std::vector<TokenDetail>& prompt) override;
  void SetServed(ServiceTier served) override;
  void AppendDelta(std::string& out, size_t choice, const Delta& delta) override;
  void CountTokens(uint32_t tokens) override { tokens_so_far_ += tokens; }
  void AppendFinish(std::string& out, size_t choice, const ChoiceEnd& end,
                    const Usage* usage_of_the_last) override;
  void AppendEnd(std::string& out, const Usage& usage) override;
  void AppendFailure(std::string& out, const absl::Status& status) override;
  std::string Document(const std::vector<ChoiceResult>& results) override;

 private:
  struct ChoiceState {
    bool started = false;
    int64_t text_offset = 0;
    std::optional<text::ToolCallReader> calls;  // if the request has tools
  };

  void AppendUsage(std::string& out, const Usage& usage);
  void Open(std::string& out, size_t choice);
  void AppendRole(std::string& out, size_t choice);
  // The rest of a chunk whose delta or text is written.
  void AppendDetails(std::string& out, size_t choice, const std::vector<TokenDetail>& tokens,
                     bool first);
  void AppendParts(std::string& out, size_t choice,
                   const std::vector<text::ToolCallReader::Part>& parts,
                   const std::vector<TokenDetail>& tokens);
  void AppendTokens(std::string& out, size_t choice, const std::vector<TokenDetail>& tokens);
  void AppendTokenIds(std::string& out, size_t choice, const std::vector<TokenDetail>& tokens,
                      bool first);
  void AppendInstants(std::string& out, const std::vector<TokenDetail>& tokens) const;
  void AppendChoice(std::string& out, size_t choice, const ChoiceResult& result);
  void Close(std::string& out) const;

  const ResponseShape& shape_;
  const model::Tokenizer& tokenizer_;
  ServiceTier served_;
  std::string head_;  // {"id":...,"object":...,"created":...,"model":..., the tier
  std::vector<ChoiceState> choices_;
  uint64_t tokens_so_far_ = 0;
};

}  // namespace waferline::openai
