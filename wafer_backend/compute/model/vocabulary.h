// The tokens of a model and what they are for, from tokenizer.ggml.* of its file. A value,
// immutable once read; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/base/ids.h"
#include "wafer_backend/compute/model/metadata.h"

namespace waferline::model {

// Numbers of tokenizer.ggml.token_type (ggml docs/gguf.md).
enum class TokenType : uint8_t {
  kUndefined = 0,
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,  // always one token wherever its text occurs
  kUnused = 5,
  kByte = 6,
};

struct Vocabulary {
  std::vector<std::string> tokens;  // as the file writes them
  std::vector<TokenType> types;     // one a token

  std::optional<TokenId> unknown, bos, eos, eot;
  bool add_bos = false;
  bool add_eos = false;
  std::vector<TokenId> end_ids;  // sorted, distinct
  // Control, unknown and user-defined tokens by name; of equal names the smallest id.
  std::unordered_map<std::string, TokenId> special_ids;

  int64_t size() const { return static_cast<int64_t>(tokens.size()); }
  bool Is(TokenId id, TokenType type) const { return types[id] == type; }

  // `add_bos`, `add_eos` where the file does not say and has such a token. InvalidArgument naming
  // the key.
  static absl::StatusOr<Vocabulary> Read(const Metadata& metadata, bool add_bos,
                                         bool add_eos = false);
};

}  // namespace waferline::model
