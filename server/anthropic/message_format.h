// Answers of /v1/messages: a message with a list of content blocks (thinking, text, uses of tools),
// or the events that build it up. One choice.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "server/openai/answer_format.h"
#include "server/openai/answer_parts.h"

namespace waferline::anthropic {

class MessageFormat final : public openai::AnswerFormat {
 public:
  // `stop_sequences` as the request has them: other stop strings end a turn.
  MessageFormat(std::vector<std::string> stop_sequences, const openai::ResponseShape& shape);

  void AppendStart(std::string& out) override;
  void AppendPrompt(std::string&, size_t, const std::vector<openai::TokenDetail>&) override {}
  void SetServed(ServiceTier served) override { served_ = served; }
  void AppendDelta(std::string& out, size_t choice, const openai::Delta& delta) override;
  void CountTokens(uint32_t) override {}
  void AppendFinish(std::string& out, size_t choice, const openai::ChoiceEnd& end,
                    const openai::Usage* usage_of_the_last) override;
  void AppendEnd(std::string& out, const openai::Usage& usage) override;
  void AppendFailure(std::string& out, const absl::Status& status) override;
  std::string Document(const std::vector<openai::ChoiceResult>& results) override;

 private:
  struct Block {
    enum class Kind : uint8_t { kThinking, kText, kToolUse } kind;
    std::string text;  // of a use: its input
    std::string name, id;
  };

  void Take(std::string& out, openai::AnswerPart part);
  void Begin(std::string& out, Block block);
  void AppendText(std::string& out, std::string_view text);
  void EndBlock(std::string& out) const;
  void OpenOfBlock(std::string& out, std::string_view type) const;
  static void AppendBlock(std::string& out, const Block& block, bool with_content);
  // "stop_reason":...,"stop_sequence":...
  void AppendStop(std::string& out) const;
  void AppendHead(std::string& out) const;
  void AppendUsage(std::string& out, const openai::Usage& usage) const;

  const std::vector<std::string> stop_sequences_;
  const openai::ResponseShape& shape_;
  openai::AnswerParts parts_;
  std::vector<Block> blocks_;
  int uses_ = 0;
  const char* stop_reason_ = nullptr;
  std::string stop_sequence_;
  ServiceTier served_ = ServiceTier::kDefault;
};

}  // namespace waferline::anthropic
