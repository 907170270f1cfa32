#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/random_model.h"

namespace waferline::test {
namespace {

enum TokenType : int32_t { kNormal = 1, kUnknown = 2, kControl = 3, kByte = 6 };

constexpr std::array kWords = {"the",  "and",  "wafer", "token", "light", "river", "small",
                               "open", "over", "under", "when",  "stone", "bird",  "is"};

std::string Utf8(int code) {  // two bytes at most are needed here
  if (code < 0x80) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 0x3f))};
}

// The printable stand-in of a byte in byte-level BPE vocabularies (GPT-2, Radford et al. 2019):
// visible Latin-1 characters stand for themselves, the rest, in order, for 256 onwards.
std::string StandIn(int byte) {
  const auto visible = [](int b) {
    return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  };
  if (visible(byte)) return Utf8(byte);
  int rank = 0;
  for (int b = 0; b < byte; ++b) rank += visible(b) ? 0 : 1;
  return Utf8(256 + rank);
}

struct Vocabulary {
  std::vector<std::string> tokens;
  std::vector<int32_t> types;
  std::vector<float> scores;
  std::vector<std::string> merges;

  bool Has(const std::string& token) const {
    return std::find(tokens.begin(), tokens.end(), token) != tokens.end();
  }
  void Add(std::string token, TokenType type, float score = 0) {
    tokens.push_back(std::move(token));
    types.push_back(type);
    scores.push_back(score);
  }
};

Vocabulary SentencePiece() {
  Vocabulary v;
  v.Add("<unk>", kUnknown);
  v.Add("<s>", kControl);
  v.Add("</s>", kControl);
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof(name), "<0x%02X>", byte);
    v.Add(name, kByte);
  }
  v.Add("<|im_start|>", kControl);
  v.Add("<|im_end|>", kControl);
  // Merged pieces come before single characters, the earlier a piece the better its score.
  float score = 0;
  const std::string space = "\xe2\x96\x81";  // U+2581 stands for a space
  for (const char* word : kWords) {
    for (const std::string& start : {space, std::string()}) {
      std::string piece = start;
      for (const char* c = word; *c != 0; ++c) {
        piece += *c;
        if (piece.size() > 1 && !v.Has(piece)) v.Add(piece, kNormal, score -= 1);
      }
    }
  }
  v.Add(space, kNormal, score -= 1);
  for (char c = '!'; c <= '~'; ++c) v.Add(std::string(1, c), kNormal, score -= 1);
  return v;
}

Vocabulary BytePairs(std::string_view architecture) {
  Vocabulary v;
  for (int byte = 0; byte < 256; ++byte) v.Add(StandIn(byte), kNormal);
  for (const char* word : kWords) {
    for (const std::string& start : {StandIn(' '), std::string()}) {
      std::string piece = start;
      for (const char* c = word; *c != 0; ++c) {
        const std::string longer = piece + *c;
        if (!piece.empty() && !v.Has(longer)) {
          v.merges.push_back(piece + " " + *c);
          v.Add(longer, kNormal);
        }
        piece = longer;
      }
    }
  }
  const std::vector<std::string> control =
      architecture == "llama"
          ? std::vector<std::string>{"<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>",
                                     "<|end_header_id|>", "<|eot_id|>"}
          : std::vector<std::string>{"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
  for (const std::string& name : control) v.Add(name, kControl);
  return v;
}

Vocabulary Make(VocabularyKind kind, std::string_view architecture) {
  return kind == VocabularyKind::kSentencePiece ? SentencePiece() : BytePairs(architecture);
}

}  // namespace

void SetVocabulary(GgufWriter& writer, VocabularyKind kind, std::string_view architecture) {
  const Vocabulary v = Make(kind, architecture);
  const auto id = [&v](const std::string& token) {
    return static_cast<uint32_t>(std::find(v.tokens.begin(), v.tokens.end(), token) -
                                 v.tokens.begin());
  };
  writer.SetStrings("tokenizer.ggml.tokens", v.tokens);
  writer.SetInts("tokenizer.ggml.token_type", v.types);
  if (kind == VocabularyKind::kSentencePiece) {
    writer.SetString("tokenizer.ggml.model", "llama");
    writer.SetFloats("tokenizer.ggml.scores", v.scores);
    writer.SetUint("tokenizer.ggml.unknown_token_id", id("<unk>"));
    writer.SetUint("tokenizer.ggml.bos_token_id", id("<s>"));
    writer.SetUint("tokenizer.ggml.eos_token_id", id("</s>"));
    writer.SetBool("tokenizer.ggml.add_bos_token", true);
    writer.SetBool("tokenizer.ggml.add_eos_token", false);
    return;
  }
  const bool llama = architecture == "llama";
  writer.SetString("tokenizer.ggml.model", "gpt2");
  writer.SetString("tokenizer.ggml.pre", llama ? "llama-bpe" : "qwen2");
  writer.SetStrings("tokenizer.ggml.merges", v.merges);
  if (llama) {
    writer.SetUint("tokenizer.ggml.bos_token_id", id("<|begin_of_text|>"));
    writer.SetUint("tokenizer.ggml.eos_token_id", id("<|end_of_text|>"));
    writer.SetUint("tokenizer.ggml.eot_token_id", id("<|eot_id|>"));
  } else {
    writer.SetUint("tokenizer.ggml.bos_token_id", id("<|endoftext|>"));
    writer.SetUint("tokenizer.ggml.eos_token_id", id("<|im_end|>"));
    writer.SetBool("tokenizer.ggml.add_bos_token", false);
  }
}

int VocabularySize(VocabularyKind kind, std::string_view architecture) {
  return static_cast<int>(Make(kind, architecture).tokens.size());
}

}  // namespace waferline::test
