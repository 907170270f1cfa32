// How a conversation becomes a prompt. Immutable, any thread; shares the tokenizer.
//
// Families are recognised by the marks in tokenizer.chat_template, or, if the file has none, by the
// control tokens of the vocabulary; the template itself (Jinja) is not run. So nothing is added
// that the messages do not say: no default system text, no date, no tools.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/base/ids.h"
#include "wafer_backend/compute/model/gguf.h"
#include "wafer_backend/compute/model/tokenizer.h"

namespace waferline::text {

struct ChatMessage {
  std::string role;  // system (or developer), user, assistant
  std::string content;
};

enum class ChatFamily : uint8_t {
  kLlama3,   // <|start_header_id|>user<|end_header_id|>\n\n...<|eot_id|>, contents trimmed
  kChatMl,   // <|im_start|>user\n...<|im_end|>\n
  kMistral,  // [INST] ... [/INST] ...</s>; system texts open the next user message
  kZephyr,   // <|user|>\n...</s>\n
  kPlain,    // User: ...\nAssistant: ...\n
};
std::string_view Name(ChatFamily family);  // "llama3", "chatml", ...

class ChatTemplate {
 public:
  // Unimplemented, with the way out (completions), if the file has no template or an unknown one.
  static absl::StatusOr<ChatTemplate> Detect(const model::GgufFile& file,
                                             std::shared_ptr<const model::Tokenizer> tokenizer);
  // For models that are not in a file.
  ChatTemplate(ChatFamily family, std::shared_ptr<const model::Tokenizer> tokenizer);

  ChatFamily family() const { return family_; }

  // The prompt that asks for the next assistant message. Names of control tokens in a content stay
  // text. InvalidArgument naming the message if a role is unknown or there is no message at all.
  absl::StatusOr<std::vector<TokenId>> Render(std::span<const ChatMessage> messages) const;

  // Strings that end an assistant message of this family in addition to the tokenizer's end ids;
  // callers add them to the request's own.
  const std::vector<std::string>& stop_strings() const { return stop_strings_; }
  // Whether the reply's first token usually carries a space that is not part of it.
  bool reply_begins_with_space() const { return reply_begins_with_space_; }

 private:
  ChatFamily family_;
  std::shared_ptr<const model::Tokenizer> tokenizer_;
  std::string end_;  // of a message: "<|im_end|>", "</s>", ...
  std::vector<std::string> stop_strings_;
  bool reply_begins_with_space_ = false;
};

}  // namespace waferline::text
