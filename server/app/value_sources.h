// Opens the source of a model's token values: shards of this process, worker processes, or a
// synthetic source without weights.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/config/server_config.h"
#include "wafer_backend/api/values.h"
#include "wafer_backend/base/tls/credentials.h"
#include "wafer_backend/compute/model/gguf.h"
#include "wafer_backend/compute/model/tokenizer.h"
#include "wafer_backend/compute/plane/computed_source.h"
#include "wafer_backend/membership/standby_pool.h"

namespace waferline::app {

// What a source is made of. `waker` must outlive it.
struct SourceParts {
  std::shared_ptr<const model::GgufFile> file;
  std::shared_ptr<const model::Tokenizer> tokenizer;
  Waker* waker = nullptr;
  std::string model;                                  // its name, in errors and remarks
  int sequences = 256;                                // that hold KV at once, over all decode units
  std::shared_ptr<tls::Credentials> links;            // TLS of links to workers; null: plain
  std::shared_ptr<membership::StandbyPool> standbys;  // null: what is configured
  std::vector<ShardMemory> emulated_memory;  // reported by a synthetic source, which has none
};

struct OpenedSource {
  std::unique_ptr<ValueSource> values;
  const plane::ComputedSource* plane = nullptr;  // the same object; null: a synthetic source
  std::string label;                             // "computed: llama, 6 layers on 2 shards"
  // Takes one more chain of workers into `values`, which outlives it; waits for them. One call at a
  // time. Null: this source takes none.
  std::function<absl::Status(const config::WorkerChain&)> join;
};

// Whether a draft model's ids are the model's own: as many, each with the same text.
absl::Status CheckSameVocabulary(const model::GgufFile& draft, const model::Tokenizer& tokenizer);

// Errors name the file or the worker.
absl::StatusOr<OpenedSource> OpenSource(const config::TokensConfig& config,
                                        const SourceParts& parts);

}  // namespace waferline::app
