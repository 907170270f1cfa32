// Opens where a model's token values come from: shards of this process, workers elsewhere, or a
// cheap stand-in.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/config/server_config.h"
#include "wafer_backend/api/values.h"
#include "wafer_backend/compute/model/gguf.h"
#include "wafer_backend/compute/model/tokenizer.h"

namespace waferline::app {

struct SourceParts {
  std::shared_ptr<const model::GgufFile> file;
  std::shared_ptr<const model::Tokenizer> tokenizer;
  Waker* waker = nullptr;
  int sequences = 256;                       // that hold KV at once, over all decode units
  std::vector<ShardMemory> emulated_memory;  // what a stand-in says it has
};

struct OpenedSource {
  std::unique_ptr<ValueSource> values;
  std::string label;  // "computed: llama, 6 layers on 2 shards"
};

absl::StatusOr<OpenedSource> OpenSource(const config::TokensConfig& config,
                                        const SourceParts& parts);

}  // namespace waferline::app
