// Small random models of every family and dtype: complete GGUF files with a vocabulary, a few
// hundred kilobytes at most. The same spec gives the same bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/gguf_writer.h"
#include "wafer_backend/compute/kernels/dtype.h"

namespace waferline::test {

enum class VocabularyKind {
  // "llama" tokenizer: <unk>, <s>, </s>, 256 byte tokens, printable ASCII, a few dozen words.
  kSentencePiece,
  // "gpt2" tokenizer: 256 byte tokens, a few dozen merges, then control tokens by the family of the
  // architecture: qwen2 pre-tokeniser with chatml tokens, or llama-bpe with Llama 3's.
  kBytePairs,
};

struct RandomModelSpec {
  std::string architecture = "llama";           // any of the families
  kernels::DType dtype = kernels::DType::kF32;  // of the matrices; vectors are F32
  uint64_t seed = 1;

  int layers = 2;
  int hidden = 64;  // a multiple of the dtype's block, as q_width and ffn
  int heads = 4;
  int kv_heads = 2;
  int head_dim = 16;
  int ffn = 128;
  int context = 256;
  int window = 0;  // attention.sliding_window, in families that have one; 0: no such key
  // Of the families that have experts; llama has them if experts is more than 0.
  int experts = 0;  // 0: 8 where the family has some
  int experts_used = 2;
  int expert_ffn = 32;
  int expert_groups = 1;
  int expert_groups_used = 1;
  int dense_layers = 0;           // that come first
  bool separate_experts = false;  // a tensor for each, as older converters wrote them
  // Of deepseek2, whose heads are 32 and 16 wide, values 24, the latent 64.
  int query_rank = 32;         // 0: queries come from the hidden row
  bool joint_up = false;       // attn_kv_b instead of attn_k_b and attn_v_b
  bool sigmoid_router = true;  // as V3, else as V2

  bool tied_embeddings = false;
  bool parallel_branches = false;  // no ffn_norm; stablelm only
  bool qkv_biases = false;         // also where the architecture does not call for them
  bool rope_frequency_factors = false;
  float rope_linear_factor = 1;
  float rope_yarn_factor = 1;  // of 64 positions
  float rope_theta = 10000;
  int rotary_dims = 0;  // of each head; 0: all
  VocabularyKind vocabulary = VocabularyKind::kSentencePiece;
  std::string chat_template = "";  // tokenizer.chat_template; none if empty
  uint32_t version = 3;
};

// Every architecture that can be written.
std::vector<std::string> ModelFamilies();

// Before it is bytes, so that tests may spoil parts of it.
GgufWriter RandomModel(const RandomModelSpec& spec);
std::string RandomModelBytes(const RandomModelSpec& spec);
// Only the tokenizer.* keys.
void SetVocabulary(GgufWriter& writer, VocabularyKind kind, std::string_view architecture);
// Tokens that SetVocabulary writes.
int VocabularySize(VocabularyKind kind, std::string_view architecture);

}  // namespace waferline::test
