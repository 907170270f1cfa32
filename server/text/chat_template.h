// How a conversation becomes a prompt: the model file's own Jinja template
// (tokenizer.chat_template) is run, as transformers' apply_chat_template runs it. Immutable, any
// thread; shares the tokenizer.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/text/jinja/template.h"
#include "server/text/reasoning.h"
#include "wafer_backend/base/ids.h"
#include "wafer_backend/compute/grammar/tool_calls.h"
#include "wafer_backend/compute/model/gguf.h"
#include "wafer_backend/compute/model/tokenizer.h"

namespace waferline::text {

struct ChatMessage {
  std::string role;  // system (or developer), user, assistant, tool
  std::string content;
  // Of an assistant: as OpenAI has them, but arguments as the JSON that they are.
  boost::json::array tool_calls = {};
  // What an assistant reasoned before it; templates choose what of it they show.
  std::string reasoning = {};
  // Of a tool: which call it answers, and the function's name if the client says it.
  std::string tool_call_id = {};
  std::string name = {};
};

struct ChatOptions {
  int64_t unix_seconds = 0;             // what the template's strftime_now sees
  boost::json::object template_kwargs;  // more names for the template: enable_thinking ...
  boost::json::array tools;             // as OpenAI has them; a request's
  // A longer text is refused before it is tokenized.
  size_t max_text_bytes = std::numeric_limits<size_t>::max();
};

class ChatTemplate {
 public:
  // Unimplemented, with the way out (completions), if the file has no template; InvalidArgument
  // with the line if it cannot be parsed.
  static absl::StatusOr<ChatTemplate> FromFile(const model::GgufFile& file,
                                               std::shared_ptr<const model::Tokenizer> tokenizer,
                                               std::string name = "the model file's own");
  // For models that are not in a file: chatml, llama3, mistral, zephyr or plain ("User: ...").
  // NotFound lists them.
  static absl::StatusOr<ChatTemplate> Named(std::string_view name,
                                            std::shared_ptr<const model::Tokenizer> tokenizer);
  static std::vector<std::string> BuiltInNames();
  // A name as above, or the path of a Jinja file (it has a slash or a dot). Errors of Named,
  // ReadFile and FromText.
  static absl::StatusOr<ChatTemplate> FromNameOrPath(
      const std::string& name_or_path, std::shared_ptr<const model::Tokenizer> tokenizer);
  static absl::StatusOr<ChatTemplate> FromText(std::string name, std::string_view source,
                                               std::shared_ptr<const model::Tokenizer> tokenizer);

  // As FromFile was given, the name of a built-in one, or a path.
  const std::string& name() const { return name_; }

  // The template as the file or the table has it.
  const std::string& source() const { return source_; }

  // The prompt that asks for the next assistant message. Names of control tokens in contents stay
  // text. InvalidArgument: a role is unknown (names the message), there is no message, or the
  // template does not take this conversation (says why in the template's words).
  absl::StatusOr<std::vector<TokenId>> Render(std::span<const ChatMessage> messages,
                                              const ChatOptions& options = {}) const;

  // How this model writes calls; Unimplemented if that is not read here.
  const absl::StatusOr<grammar::ToolCallForm>& tool_form() const { return tool_form_; }
  // Another format than the template's marks say. Errors of ToolFormNamed. Before it is shared.
  absl::Status UseToolForm(std::string_view name);

  // Texts that end an assistant message where the template marks that end by no control token;
  // callers add them to the request's own.
  const std::vector<std::string>& stop_strings() const { return stop_strings_; }
  // How replies mark their reasoning.
  ReasoningMarks reasoning() const { return reasoning_; }
  // Whether the reply's first token usually carries a space that is not part of it.
  bool reply_begins_with_space() const { return reply_begins_with_space_; }

 private:
  struct Parts {
    std::string name;
    std::string_view source;
    jinja::Template parsed;
  };
  ChatTemplate(Parts parts, std::shared_ptr<const model::Tokenizer> tokenizer);
  absl::StatusOr<jinja::Text> RenderText(std::span<const ChatMessage> messages,
                                         const ChatOptions& options, bool asks_for_reply) const;
  void FindHowRepliesEnd();
  void FindHowCallsAreGiven();

  std::string name_;
  std::string source_;
  jinja::Template template_;
  std::shared_ptr<const model::Tokenizer> tokenizer_;
  bool takes_tools_;
  absl::StatusOr<grammar::ToolCallForm> tool_form_;
  // How the template takes messages with calls: no content as none, or as an empty text; arguments
  // as JSON text, or as what they are.
  struct CallsGiven {
    bool null_content = false;
    bool text_arguments = false;
  };
  CallsGiven calls_given_;
  std::vector<std::string> stop_strings_;
  bool reply_begins_with_space_ = false;
  ReasoningMarks reasoning_ = ReasoningMarks::kNone;
};

}  // namespace waferline::text
