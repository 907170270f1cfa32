// Models whose tokens are bytes (tests/support/byte_tokenizer.h): 256 begins and 257 ends.
#pragma once

#include <memory>
#include <vector>

#include "server/text/served_model.h"
#include "tests/support/byte_tokenizer.h"

namespace waferline {

// "bytes", which chats in the plain family, and "silent", which does not chat.
inline text::ModelCatalog ByteModels(int64_t context = 128, bool only_one = false) {
  auto tokenizer = std::make_shared<ByteTokenizer>();
  std::vector<std::shared_ptr<const text::ServedModel>> models;
  models.push_back(std::make_shared<text::ServedModel>(
      text::ServedModel{.name = "bytes",
                        .tokenizer = tokenizer,
                        .chat = text::ChatTemplate::Named("plain", tokenizer),
                        .context_tokens = Tokens(context),
                        .origin_label = "computed: bytes",
                        .grammars = std::make_shared<grammar::GrammarCompiler>(tokenizer)}));
  if (!only_one) {
    models.push_back(std::make_shared<text::ServedModel>(
        text::ServedModel{.name = "silent",
                          .tokenizer = tokenizer,
                          .chat = absl::UnimplementedError("it has no chat template"),
                          .context_tokens = Tokens(context),
                          .origin = text::TokenOrigin::kEmulated,
                          .grammars = std::make_shared<grammar::GrammarCompiler>(tokenizer)}));
  }
  return text::ModelCatalog(std::move(models));
}

}  // namespace waferline
