#include "server/app/model_chat.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace waferline::app {

absl::StatusOr<text::ChatTemplate> ChatOf(const config::TokensConfig& config,
                                          const model::GgufFile& file,
                                          std::shared_ptr<const model::Tokenizer> tokenizer) {
  if (!config.chat_template.empty()) {
    return text::ChatTemplate::FromNameOrPath(config.chat_template, std::move(tokenizer));
  }
  if (config.from != config::TokenOriginKind::kSynthetic) {
    return text::ChatTemplate::FromFile(file, std::move(tokenizer));
  }
  const std::string name = config.file.substr(config.file.find_last_of('/') + 1);
  return text::ChatTemplate::FromFile(file, std::move(tokenizer),
                                      absl::StrCat("of ", name, ", which lends its vocabulary"));
}

absl::Status UseToolFormat(const config::TokensConfig& config,
                           absl::StatusOr<text::ChatTemplate>* chat) {
  if (config.tool_format.empty()) return absl::OkStatus();
  if (!chat->ok()) return absl::InvalidArgumentError("has no effect on a model without chat");
  return (*chat)->UseToolForm(config.tool_format);
}

}  // namespace waferline::app
