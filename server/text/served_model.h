// The models that clients can name, as the front ends see them. Immutable after start: any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/text/chat_template.h"
#include "wafer_backend/base/units.h"
#include "wafer_backend/compute/grammar/compiler.h"
#include "wafer_backend/compute/model/tokenizer.h"

namespace waferline::text {

// Where the token values of a model come from; said to clients wherever a model is listed.
enum class TokenOrigin : uint8_t {
  kComputed,  // a real transformer is run
  kEmulated,  // its weights are not on this host: a cheap source in their place, times are modelled
};

inline constexpr int64_t kStandInAnswer = 512;

struct ServedModel {
  std::string name;
  std::shared_ptr<const model::Tokenizer> tokenizer;
  absl::StatusOr<ChatTemplate> chat;  // or why there is no chat with this model
  Tokens context_tokens;              // prompt and generated tokens together
  float temperature = 1;              // of requests that name none
  TokenOrigin origin = TokenOrigin::kComputed;
  std::string origin_label;  // for people: "computed: llama, 6 layers, Q8_0, on 2 shards"
  std::string about;         // what its file says of it (general.description), for people; a line
  int64_t created_unix_s = 0;
  std::shared_ptr<const grammar::GrammarCompiler> grammars;  // for its tokenizer

  // What a request that sets no limit may generate, if the context has the room. A synthetic text
  // never ends by itself.
  int64_t UnlimitedAnswer() const {
    return origin == TokenOrigin::kEmulated ? kStandInAnswer : context_tokens.count();
  }
};

class ModelCatalog {
 public:
  // Names must differ (bug otherwise: the configuration is checked before).
  explicit ModelCatalog(std::vector<std::shared_ptr<const ServedModel>> models);

  // NotFound naming the model and those that are served.
  absl::StatusOr<std::shared_ptr<const ServedModel>> Find(std::string_view name) const;
  // In the order of the configuration.
  const std::vector<std::shared_ptr<const ServedModel>>& all() const { return models_; }

 private:
  std::vector<std::shared_ptr<const ServedModel>> models_;
};

}  // namespace waferline::text
