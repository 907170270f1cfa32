// Models whose tokens are bytes (tests/support/byte_tokenizer.h), for tests of the codec.
#pragma once

#include <memory>
#include <string>

#include "server/text/served_model.h"
#include "tests/support/byte_tokenizer.h"

namespace waferline::openai {

inline constexpr TokenId kBos = 256, kEos = 257, kChatMlStart = 258, kChatMlEnd = 259, kHello = 260;

inline std::shared_ptr<const ByteTokenizer> ChatTokenizer() {
  return std::make_shared<ByteTokenizer>(
      ByteVocabulary{.control = {"<s>", "</s>", "<|im_start|>", "<|im_end|>"},
                     .texts = {" hello"},
                     .ends = {kEos, kChatMlEnd}});
}

// "bytes" chats (chatml) and has a context of 1000 tokens; "mute" has no chat template; "thinker"'s
// template opens its reasoning unless enable_thinking is false.
inline text::ModelCatalog ByteCatalog() {
  const auto tokenizer = ChatTokenizer();
  const auto make = [&](std::string name, absl::StatusOr<text::ChatTemplate> chat) {
    return std::make_shared<const text::ServedModel>(
        text::ServedModel{.name = std::move(name),
                          .tokenizer = tokenizer,
                          .chat = std::move(chat),
                          .context_tokens = Tokens(1000),
                          .origin_label = "computed: bytes",
                          .grammars = std::make_shared<grammar::GrammarCompiler>(tokenizer)});
  };
  constexpr const char* kThinker =
      "{{ messages[0].content }}{{ '</think>' if enable_thinking is false else '<think>\\n' }}";
  return text::ModelCatalog(
      {make("bytes", *text::ChatTemplate::Named("chatml", tokenizer)),
       make("mute", absl::UnimplementedError("its template is not known")),
       make("thinker", text::ChatTemplate::FromText("t", kThinker, tokenizer))});
}

}  // namespace waferline::openai
