#include "wafer_backend/compute/model/vocabulary.h"

#include <algorithm>
#include <array>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"

namespace waferline::model {
namespace {

// Names under which models of the known families end a turn, then those that end a text: files do
// not always say so in their metadata.
constexpr std::array<const char*, 4> kTurnEnds = {"<|eot_id|>", "<|im_end|>", "<|end|>",
                                                  "<end_of_turn>"};
constexpr std::array<const char*, 4> kTextEnds = {"<|endoftext|>", "<|end_of_text|>", "<|eom_id|>",
                                                  "</s>"};
// Where there are channels, "<|end|>" ends one message of an answer, and these end the answer.
constexpr const char* kChannel = "<|channel|>";
constexpr std::array<const char*, 2> kChannelEnds = {"<|return|>", "<|call|>"};

absl::Status ReadTypes(const Metadata& metadata, Vocabulary& vocabulary) {
  constexpr const char* kKey = "tokenizer.ggml.token_type";
  vocabulary.types.assign(vocabulary.tokens.size(), TokenType::kNormal);
  if (!metadata.Has(kKey)) return absl::OkStatus();
  WL_ASSIGN_OR_RETURN(const std::vector<int32_t> types, metadata.Ints(kKey));
  if (types.size() != vocabulary.tokens.size()) {
    return absl::InvalidArgumentError(absl::StrCat(kKey, " has ", types.size(),
                                                   " entries, but tokenizer.ggml.tokens has ",
                                                   vocabulary.tokens.size()));
  }
  for (size_t i = 0; i < types.size(); ++i) {
    if (types[i] < 0 || types[i] > 6) {
      return absl::InvalidArgumentError(
          absl::StrCat(kKey, " of token ", i, " is ", types[i], ", expected 0 to 6"));
    }
    vocabulary.types[i] = static_cast<TokenType>(types[i]);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<TokenId>> ReadId(const Metadata& metadata, const char* name,
                                              const Vocabulary& vocabulary) {
  const std::string key = absl::StrCat("tokenizer.ggml.", name, "_token_id");
  if (!metadata.Has(key)) return std::optional<TokenId>();
  WL_ASSIGN_OR_RETURN(const uint64_t id, metadata.Uint(key));
  if (id >= vocabulary.tokens.size()) {
    return absl::InvalidArgumentError(absl::StrCat(key, " is ", id, ", but there are only ",
                                                   vocabulary.tokens.size(), " tokens"));
  }
  return std::optional<TokenId>(static_cast<TokenId>(id));
}

absl::Status ReadSpecialIds(const Metadata& metadata, Vocabulary& vocabulary) {
  WL_ASSIGN_OR_RETURN(vocabulary.unknown, ReadId(metadata, "unknown", vocabulary));
  WL_ASSIGN_OR_RETURN(vocabulary.bos, ReadId(metadata, "bos", vocabulary));
  WL_ASSIGN_OR_RETURN(vocabulary.eos, ReadId(metadata, "eos", vocabulary));
  WL_ASSIGN_OR_RETURN(vocabulary.eot, ReadId(metadata, "eot", vocabulary));
  WL_ASSIGN_OR_RETURN(const std::optional<TokenId> eom, ReadId(metadata, "eom", vocabulary));
  // Old converters left these as normal tokens.
  for (const auto& id : {vocabulary.bos, vocabulary.eos, vocabulary.eot, eom}) {
    if (id && vocabulary.Is(*id, TokenType::kNormal)) vocabulary.types[*id] = TokenType::kControl;
  }
  if (vocabulary.unknown && vocabulary.Is(*vocabulary.unknown, TokenType::kNormal)) {
    vocabulary.types[*vocabulary.unknown] = TokenType::kUnknown;
  }
  if (eom) vocabulary.end_ids.push_back(*eom);
  return absl::OkStatus();
}

void NameSpecials(Vocabulary& vocabulary) {
  for (TokenId id = 0; id < vocabulary.size(); ++id) {
    const TokenType type = vocabulary.types[id];
    const bool special = type == TokenType::kControl || type == TokenType::kUnknown ||
                         type == TokenType::kUserDefined;
    if (special && !vocabulary.tokens[id].empty()) {
      vocabulary.special_ids.emplace(vocabulary.tokens[id], id);
    }
  }
}

void FindEnds(Vocabulary& vocabulary) {
  std::vector<TokenId>& ends = vocabulary.end_ids;
  const auto add_named = [&](const char* name) -> std::optional<TokenId> {
    const auto found = vocabulary.special_ids.find(name);
    if (found == vocabulary.special_ids.end()) return std::nullopt;
    ends.push_back(found->second);
    return found->second;
  };
  const bool channels = vocabulary.special_ids.contains(kChannel);
  if (channels) {
    for (const char* name : kChannelEnds) add_named(name);
  }
  for (const char* name : kTurnEnds) {
    if (channels && std::string_view(name) == "<|end|>") continue;
    const std::optional<TokenId> id = add_named(name);
    if (id && !vocabulary.eot) vocabulary.eot = id;
  }
  for (const char* name : kTextEnds) add_named(name);
  if (vocabulary.eos) ends.push_back(*vocabulary.eos);
  if (vocabulary.eot) ends.push_back(*vocabulary.eot);
  std::sort(ends.begin(), ends.end());
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
}

absl::Status ReadAdds(const Metadata& metadata, bool add_bos, bool add_eos,
                      Vocabulary& vocabulary) {
  WL_ASSIGN_OR_RETURN(vocabulary.add_bos, metadata.BoolOr("tokenizer.ggml.add_bos_token",
                                                          add_bos && vocabulary.bos.has_value()));
  WL_ASSIGN_OR_RETURN(vocabulary.add_eos, metadata.BoolOr("tokenizer.ggml.add_eos_token",
                                                          add_eos && vocabulary.eos.has_value()));
  if (vocabulary.add_bos && !vocabulary.bos) {
    return absl::InvalidArgumentError(
        "texts are to begin with a token, but tokenizer.ggml.bos_token_id is missing");
  }
  if (vocabulary.add_eos && !vocabulary.eos) {
    return absl::InvalidArgumentError(
        "texts are to end with a token, but tokenizer.ggml.eos_token_id is missing");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Vocabulary> Vocabulary::Read(const Metadata& metadata, bool add_bos, bool add_eos) {
  Vocabulary vocabulary;
  WL_ASSIGN_OR_RETURN(const auto tokens, metadata.Strings("tokenizer.ggml.tokens"));
  if (tokens.empty() || tokens.size() > (1u << 28)) {
    return absl::InvalidArgumentError(
        absl::StrCat("tokenizer.ggml.tokens has ", tokens.size(), " tokens"));
  }
  vocabulary.tokens.assign(tokens.begin(), tokens.end());
  WL_RETURN_IF_ERROR(ReadTypes(metadata, vocabulary));
  WL_RETURN_IF_ERROR(ReadSpecialIds(metadata, vocabulary));
  NameSpecials(vocabulary);
  FindEnds(vocabulary);
  WL_RETURN_IF_ERROR(ReadAdds(metadata, add_bos, add_eos, vocabulary));
  return vocabulary;
}

}  // namespace waferline::model
