// How a hosted model chats: its template and the format of its tool calls. Used when a model is
// loaded, and when a configuration is checked. Any thread.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "server/config/server_config.h"
#include "server/text/chat_template.h"
#include "wafer_backend/compute/model/gguf.h"
#include "wafer_backend/compute/model/tokenizer.h"

namespace waferline::app {

// The template that the configuration chose, else the file's own; why there is none.
absl::StatusOr<text::ChatTemplate> ChatOf(const config::TokensConfig& config,
                                          const model::GgufFile& file,
                                          std::shared_ptr<const model::Tokenizer> tokenizer);
// The configuration's tool_format, if it has one. InvalidArgument: not known, or there is no chat.
absl::Status UseToolFormat(const config::TokensConfig& config,
                           absl::StatusOr<text::ChatTemplate>* chat);

}  // namespace waferline::app
