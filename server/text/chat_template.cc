#include "server/text/chat_template.h"

#include <deque>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::text {
namespace {

using model::TextSegment;
using model::Tokenizer;

// The parts of a prompt: marks, in which control tokens are recognised, and contents, in which
// they are not.
class Prompt {
 public:
  Prompt& Mark(std::string mark) {
    owned_.push_back(std::move(mark));
    segments_.push_back({owned_.back(), true});
    return *this;
  }
  Prompt& Content(std::string_view content) {
    segments_.push_back({content, false});
    return *this;
  }
  std::vector<TokenId> Encode(const Tokenizer& tokenizer) const {
    std::vector<TokenId> ids = tokenizer.EncodeSegments(segments_, /*add_special=*/false);
    // A begin token as for any prompt, but never an end token: the reply is to follow.
    if (tokenizer.adds_bos()) ids.insert(ids.begin(), *tokenizer.bos());
    return ids;
  }

 private:
  std::deque<std::string> owned_;  // its elements stay where they are
  std::vector<TextSegment> segments_;
};

enum class Role : uint8_t { kSystem, kUser, kAssistant };

absl::StatusOr<Role> RoleOf(const ChatMessage& message, size_t index) {
  if (message.role == "user") return Role::kUser;
  if (message.role == "assistant") return Role::kAssistant;
  if (message.role == "system" || message.role == "developer") return Role::kSystem;
  return absl::InvalidArgumentError(absl::StrCat("messages[", index, "].role is ",
                                                 model::Quoted(message.role),
                                                 ", expected system, user or assistant"));
}

std::string RoleName(Role role) {
  switch (role) {
    case Role::kSystem:
      return "system";
    case Role::kUser:
      return "user";
    case Role::kAssistant:
      break;
  }
  return "assistant";
}

struct Message {
  Role role;
  std::string_view content;
};

Prompt RenderLlama3(std::span<const Message> messages) {
  const auto header = [](const std::string& role) {
    return "<|start_header_id|>" + role + "<|end_header_id|>\n\n";
  };
  Prompt prompt;
  for (const Message& message : messages) {
    prompt.Mark(header(RoleName(message.role)))
        .Content(Std(absl::StripAsciiWhitespace(Absl(message.content))))
        .Mark("<|eot_id|>");
  }
  prompt.Mark(header("assistant"));
  return prompt;
}

Prompt RenderChatMl(std::span<const Message> messages) {
  Prompt prompt;
  for (const Message& message : messages) {
    prompt.Mark("<|im_start|>" + RoleName(message.role) + "\n")
        .Content(message.content)
        .Mark("<|im_end|>\n");
  }
  prompt.Mark("<|im_start|>assistant\n");
  return prompt;
}

Prompt RenderZephyr(std::span<const Message> messages, const std::string& end) {
  Prompt prompt;
  for (const Message& message : messages) {
    prompt.Mark("<|" + RoleName(message.role) + "|>\n").Content(message.content).Mark(end + "\n");
  }
  prompt.Mark("<|assistant|>\n");
  return prompt;
}

Prompt RenderPlain(std::span<const Message> messages) {
  Prompt prompt;
  for (const Message& message : messages) {
    const char* name = message.role == Role::kUser        ? "User: "
                       : message.role == Role::kAssistant ? "Assistant: "
                                                          : "System: ";
    prompt.Mark(name).Content(message.content).Mark("\n");
  }
  prompt.Mark("Assistant:");
  return prompt;
}

// Where [INST] is a control token, tokenizers put the spaces around it themselves or have none;
// where it is text, the spaces are part of it (mistral-common, tokenizers v1 and v3).
Prompt RenderMistral(std::span<const Message> messages, const std::string& end, bool as_text) {
  const std::string space = as_text ? " " : "";
  Prompt prompt;
  std::vector<std::string_view> system;
  const auto open = [&] {
    prompt.Mark("[INST]" + space);
    for (std::string_view text : std::exchange(system, {})) prompt.Content(text).Mark("\n\n");
  };
  for (const Message& message : messages) {
    if (message.role == Role::kSystem) {
      system.push_back(message.content);
    } else if (message.role == Role::kUser) {
      open();
      prompt.Content(message.content).Mark(space + "[/INST]");
    } else {
      prompt.Mark(space).Content(message.content).Mark(end);
    }
  }
  if (!system.empty()) {  // nobody asked after it
    open();
    prompt.Mark(space + "[/INST]");
  }
  return prompt;
}

absl::Status NoTemplate(std::string_view why) {
  return absl::UnimplementedError(
      absl::StrCat("chat is not possible with this model: ", Absl(why),
                   "; known are the templates of llama3, chatml, mistral, zephyr and plain. "
                   "Completions work."));
}

bool Holds(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace

std::string_view Name(ChatFamily family) {
  switch (family) {
    case ChatFamily::kLlama3:
      return "llama3";
    case ChatFamily::kChatMl:
      return "chatml";
    case ChatFamily::kMistral:
      return "mistral";
    case ChatFamily::kZephyr:
      return "zephyr";
    case ChatFamily::kPlain:
      return "plain";
  }
  return "";
}

absl::StatusOr<ChatTemplate> ChatTemplate::Detect(const model::GgufFile& file,
                                                  std::shared_ptr<const Tokenizer> tokenizer) {
  WL_ASSIGN_OR_RETURN(const std::string_view text,
                      file.metadata().StringOr("tokenizer.chat_template", ""));
  const auto marked = [&](const char* mark) {
    return text.empty() ? tokenizer->FindSpecial(mark).has_value() : Holds(text, mark);
  };
  if (marked("<|start_header_id|>")) return ChatTemplate(ChatFamily::kLlama3, tokenizer);
  if (marked("<|im_start|>")) return ChatTemplate(ChatFamily::kChatMl, tokenizer);
  if (Holds(text, "<<SYS>>")) return NoTemplate("its template is that of llama 2");
  if (marked("[INST]")) return ChatTemplate(ChatFamily::kMistral, tokenizer);
  if (marked("<|user|>") && marked("<|assistant|>")) {
    ChatTemplate zephyr(ChatFamily::kZephyr, tokenizer);
    if (!marked("<|end|>")) return zephyr;
    return NoTemplate("its template has <|user|> as zephyr's, but ends messages by <|end|>");
  }
  if (Holds(text, "User:") && Holds(text, "Assistant:")) {
    return ChatTemplate(ChatFamily::kPlain, tokenizer);
  }
  if (text.empty()) return NoTemplate("its file has no tokenizer.chat_template");
  return NoTemplate("its tokenizer.chat_template is of no known family");
}

ChatTemplate::ChatTemplate(ChatFamily family, std::shared_ptr<const Tokenizer> tokenizer)
    : family_(family), tokenizer_(std::move(tokenizer)) {
  const auto eos = tokenizer_->eos();
  const std::string eos_name = eos ? std::string(tokenizer_->RawPiece(*eos)) : "</s>";
  switch (family_) {
    case ChatFamily::kLlama3:
      end_ = "<|eot_id|>";
      break;
    case ChatFamily::kChatMl:
      end_ = "<|im_end|>";
      break;
    case ChatFamily::kMistral:
      end_ = eos_name;
      reply_begins_with_space_ = true;
      break;
    case ChatFamily::kZephyr:
      end_ = eos_name;
      break;
    case ChatFamily::kPlain:
      stop_strings_ = {"\nUser:", "\nSystem:"};
      reply_begins_with_space_ = true;
      break;
  }
  // A mark that is no token of this vocabulary comes as text.
  if (!end_.empty() && !tokenizer_->FindSpecial(end_)) stop_strings_.push_back(end_);
}

absl::StatusOr<std::vector<TokenId>> ChatTemplate::Render(
    std::span<const ChatMessage> messages) const {
  if (messages.empty()) return absl::InvalidArgumentError("messages is empty");
  std::vector<Message> known;
  for (size_t i = 0; i < messages.size(); ++i) {
    WL_ASSIGN_OR_RETURN(const Role role, RoleOf(messages[i], i));
    known.push_back({role, messages[i].content});
  }
  switch (family_) {
    case ChatFamily::kLlama3:
      return RenderLlama3(known).Encode(*tokenizer_);
    case ChatFamily::kChatMl:
      return RenderChatMl(known).Encode(*tokenizer_);
    case ChatFamily::kMistral:
      return RenderMistral(known, end_, !tokenizer_->FindSpecial("[INST]")).Encode(*tokenizer_);
    case ChatFamily::kZephyr:
      return RenderZephyr(known, end_).Encode(*tokenizer_);
    case ChatFamily::kPlain:
      break;
  }
  return RenderPlain(known).Encode(*tokenizer_);
}

}  // namespace waferline::text
