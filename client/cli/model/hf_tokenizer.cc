#include "client/cli/model/hf_tokenizer.h"

#include <boost/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/cli/model/hf_tokenizer_parts.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/pre_tokenizer.h"
#include "wafer_backend/compute/model/tokenizer.h"
#include "wafer_backend/compute/model/utf8.h"
#include "wafer_backend/compute/model/vocabulary.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;
using model::CutStep;
using model::Metadata;
using model::Vocabulary;

json::object ByteLevel() {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", true},
          {"use_regex", false}};
}

// \x{4E00} as the character itself, as published expressions write it.
std::string WithCharacters(std::string_view pattern) {
  std::string out;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const size_t end = pattern.find('}', i);
    if (!pattern.substr(i).starts_with("\\x{") || end == pattern.npos) {
      out += pattern[i];
      continue;
    }
    const std::string digits(pattern.substr(i + 3, end - i - 3));
    model::AppendUtf8(static_cast<uint32_t>(std::stoul(digits, nullptr, 16)), out);
    i = end;
  }
  return out;
}

json::object PreTokenizerJson(const model::PreTokenizerRow& row) {
  json::array steps;
  bool bytes = false;
  for (const CutStep& step : row.steps) {
    const std::string_view pattern = step.published != nullptr ? step.published : step.pattern;
    if (pattern.empty()) continue;
    if (step.kind == CutStep::kIsolateBytes && !bytes) {
      steps.push_back(ByteLevel());
      bytes = true;
    }
    steps.push_back(Split(WithCharacters(pattern)));
  }
  if (!bytes) steps.push_back(ByteLevel());
  return Sequence("pretokenizers", std::move(steps));
}

absl::StatusOr<json::object> BytePairJson(const Metadata& metadata) {
  WL_ASSIGN_OR_RETURN(const std::string_view pre, metadata.String("tokenizer.ggml.pre"));
  WL_ASSIGN_OR_RETURN(const auto cutter, model::PreTokenizer::Find(pre));
  WL_ASSIGN_OR_RETURN(const Vocabulary vocabulary,
                      Vocabulary::Read(metadata, cutter->row().adds_bos));
  WL_ASSIGN_OR_RETURN(const auto lines, metadata.Strings("tokenizer.ggml.merges"));
  json::array merges;
  for (const std::string_view line : lines) {
    const size_t space = line.find(' ');
    merges.push_back(json::array{line.substr(0, space), line.substr(space + 1)});
  }
  WL_ASSIGN_OR_RETURN(json::object out, CommonTokenizer(vocabulary, /*user_defined=*/true));
  out["normalizer"] = cutter->row().nfc ? json::value{{"type", "NFC"}} : json::value();
  out["pre_tokenizer"] = PreTokenizerJson(cutter->row());
  out["decoder"] = ByteLevel();
  json::object bpe = BpeModel(TokenIds(vocabulary, false), std::move(merges));
  bpe["ignore_merges"] = cutter->row().whole_words;
  out["model"] = std::move(bpe);
  return out;
}

}  // namespace

absl::StatusOr<json::object> HuggingFaceTokenizer(const model::GgufFile& file) {
  // What ours refuses is refused here, in the same words.
  WL_RETURN_IF_ERROR(model::TokenizerFromGguf(file).status());
  WL_ASSIGN_OR_RETURN(const std::string_view kind, file.metadata().String("tokenizer.ggml.model"));
  if (kind == "gpt2") return BytePairJson(file.metadata());
  return SentencePieceTokenizer(file.metadata(), kind == "t5" ? model::SentencePieceModel::kUnigram
                                                              : model::SentencePieceModel::kMerges);
}

}  // namespace waferline::cli
