// Small random models of every architecture and dtype: complete GGUF files with a vocabulary, a few
// hundred kilobytes at most. The same spec gives the same bytes.
#pragma once

#include <cstdint>
#include <string>

#include "tests/support/gguf_writer.h"
#include "wafer_backend/compute/kernels/dtype.h"
#include "wafer_backend/compute/model/model_shape.h"

namespace waferline::test {

enum class VocabularyKind {
  // "llama" tokenizer: <unk>, <s>, </s>, 256 byte tokens, printable ASCII, a few dozen words.
  kSentencePiece,
  // "gpt2" tokenizer: 256 byte tokens, a few dozen merges, then control tokens by the family of the
  // architecture: qwen2 pre-tokeniser with chatml tokens, or llama-bpe with Llama 3's.
  kBytePairs,
};

struct RandomModelSpec {
  model::Architecture architecture = model::Architecture::kLlama;
  kernels::DType dtype = kernels::DType::kF32;  // of the matrices; vectors are F32
  uint64_t seed = 1;

  int layers = 2;
  int hidden = 64;  // a multiple of the dtype's block, as q_width and ffn
  int heads = 4;
  int kv_heads = 2;
  int head_dim = 16;
  int ffn = 128;
  int context = 256;

  bool tied_embeddings = false;
  bool llama_biases =
      false;  // QKV biases although the architecture is llama; qwen2 always has them
  bool rope_frequency_factors = false;
  float rope_linear_factor = 1;
  float rope_theta = 10000;
  VocabularyKind vocabulary = VocabularyKind::kSentencePiece;
  std::string chat_template = "";  // tokenizer.chat_template; none if empty
  uint32_t version = 3;
};

// Before it is bytes, so that tests may spoil parts of it.
GgufWriter RandomModel(const RandomModelSpec& spec);
std::string RandomModelBytes(const RandomModelSpec& spec);
// Only the tokenizer.* keys.
void SetVocabulary(GgufWriter& writer, VocabularyKind kind, model::Architecture architecture);
// Tokens that SetVocabulary writes.
int VocabularySize(VocabularyKind kind, model::Architecture architecture);

}  // namespace waferline::test
