// Writes a model file with the shape of a real one and weights that mean nothing, for measuring
// speed without a download:
//
//   make_bench_model 15m|110m|1b TYPE FILE
//
// 15m and 110m are the llama2.c "stories" shapes, 1b is Llama-3.2-1B's. The vocabulary is made up
// (syllables of a few letters), so that servers can spell what such a model says.
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "tests/support/gguf_writer.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/compute/kernels/dtype.h"
#include "wafer_backend/compute/kernels/half.h"
#include "wafer_backend/compute/kernels/quant_traits.h"

namespace waferline::bench {
namespace {

using kernels::DType;

struct Shape {
  uint32_t hidden, layers, heads, kv_heads, ffn, vocabulary;
  float rope_theta;
};

const std::map<std::string, Shape> kShapes = {
    {"15m", {288, 6, 6, 6, 768, 32000, 1e4f}},
    {"110m", {768, 12, 12, 12, 2048, 32000, 1e4f}},
    {"1b", {2048, 16, 32, 8, 8192, 128256, 5e5f}},
};

// Random bits with small scales: outputs stay finite. One pattern serves all tensors of a type.
std::string Blocks(DType dtype, int64_t elements) {
  SeededStream random(7);
  const auto size = static_cast<size_t>(kernels::BytesFor(dtype, elements).count());
  const kernels::QuantTraits& type = kernels::TraitsOf(dtype);
  const auto step = static_cast<size_t>(type.block_bytes);
  std::string pattern(4096 * step, '\0');
  const auto put16 = [&](size_t at, uint16_t bits) { std::memcpy(&pattern[at], &bits, 2); };
  for (size_t at = 0; at < pattern.size(); at += step) {
    const auto value = static_cast<float>((random.Uniform() - 0.5) * 0.05);
    if (dtype == DType::kF32) std::memcpy(&pattern[at], &value, 4);
    if (dtype == DType::kF16) put16(at, kernels::F16FromFloat(value));
    if (dtype == DType::kBF16) put16(at, kernels::Bf16FromFloat(value));
    if (!type.quantised()) continue;
    for (size_t i = 0; i < step; ++i) pattern[at + i] = static_cast<char>(random.Next());
    const float unit = type.super_blocks() ? 1e-5f : 2e-4f;
    put16(at + type.unit_at, kernels::F16FromFloat(unit));
    if (type.minima) put16(at + type.unit_at + 2, kernels::F16FromFloat(unit));
  }
  std::string bytes;
  bytes.reserve(size + pattern.size());
  while (bytes.size() < size) bytes += pattern;
  bytes.resize(size);
  return bytes;
}

// A SentencePiece vocabulary: special and byte tokens, then one, two, ... letters, at the start of
// a word or within, each longer piece being a shorter one and a letter.
void SetVocabulary(test::GgufWriter& writer, size_t size) {
  enum Type : int32_t { kNormal = 1, kUnknown = 2, kControl = 3, kByte = 6 };
  std::vector<std::string> tokens = {"<unk>", "<s>", "</s>"};
  std::vector<int32_t> types = {kUnknown, kControl, kControl};
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof(name), "<0x%02X>", byte);
    tokens.emplace_back(name);
    types.push_back(kByte);
  }
  tokens.emplace_back("\xe2\x96\x81");  // U+2581 stands for a space
  for (char letter = 'a'; letter <= 'z'; ++letter) tokens.emplace_back(1, letter);
  for (size_t shorter = 259; tokens.size() < size; ++shorter) {
    for (char letter = 'a'; letter <= 'z' && tokens.size() < size; ++letter) {
      tokens.push_back(tokens[shorter] + letter);
    }
  }
  types.resize(size, kNormal);
  std::vector<float> scores;
  for (size_t i = 0; i < size; ++i) scores.push_back(-static_cast<float>(i));
  writer.SetString("tokenizer.ggml.model", "llama")
      .SetStrings("tokenizer.ggml.tokens", tokens)
      .SetInts("tokenizer.ggml.token_type", types)
      .SetFloats("tokenizer.ggml.scores", scores)
      .SetUint("tokenizer.ggml.unknown_token_id", 0)
      .SetUint("tokenizer.ggml.bos_token_id", 1)
      .SetUint("tokenizer.ggml.eos_token_id", 2)
      .SetBool("tokenizer.ggml.add_bos_token", true)
      .SetBool("tokenizer.ggml.add_eos_token", false);
}

void Write(const Shape& s, DType dtype, const std::string& path) {
  test::GgufWriter writer;
  const uint32_t head_dim = s.hidden / s.heads;
  writer.SetString("general.architecture", "llama")
      .SetString("general.name", "shape only")
      .SetUint("llama.block_count", s.layers)
      .SetUint("llama.context_length", 8192)
      .SetUint("llama.embedding_length", s.hidden)
      .SetUint("llama.feed_forward_length", s.ffn)
      .SetUint("llama.attention.head_count", s.heads)
      .SetUint("llama.attention.head_count_kv", s.kv_heads)
      .SetUint("llama.rope.dimension_count", head_dim)
      .SetUint("llama.vocab_size", s.vocabulary)
      .SetFloat("llama.attention.layer_norm_rms_epsilon", 1e-5f)
      .SetFloat("llama.rope.freq_base", s.rope_theta);
  SetVocabulary(writer, s.vocabulary);
  const auto matrix = [&](const std::string& name, uint32_t rows, uint32_t cols) {
    writer.AddTensor(name, static_cast<uint32_t>(dtype), {cols, rows},
                     Blocks(dtype, int64_t{rows} * cols));
  };
  const auto norm = [&](const std::string& name) {
    const std::vector<float> ones(s.hidden, 1.0f);
    writer.AddTensor(name, 0, {s.hidden},
                     std::string(reinterpret_cast<const char*>(ones.data()), s.hidden * 4));
  };
  matrix("token_embd.weight", s.vocabulary, s.hidden);
  norm("output_norm.weight");
  for (uint32_t layer = 0; layer < s.layers; ++layer) {
    const std::string prefix = "blk." + std::to_string(layer) + ".";
    norm(prefix + "attn_norm.weight");
    matrix(prefix + "attn_q.weight", s.hidden, s.hidden);
    matrix(prefix + "attn_k.weight", s.kv_heads * head_dim, s.hidden);
    matrix(prefix + "attn_v.weight", s.kv_heads * head_dim, s.hidden);
    matrix(prefix + "attn_output.weight", s.hidden, s.hidden);
    norm(prefix + "ffn_norm.weight");
    matrix(prefix + "ffn_gate.weight", s.ffn, s.hidden);
    matrix(prefix + "ffn_up.weight", s.ffn, s.hidden);
    matrix(prefix + "ffn_down.weight", s.hidden, s.ffn);
  }
  writer.WriteFile(path);
}

int Run(const std::string& shape, const std::string& dtype, const std::string& path) {
  const auto found = kShapes.find(shape);
  for (const kernels::QuantTraits& type : kernels::kQuantTraits) {
    if (found == kShapes.end() || type.name != dtype) continue;
    if (found->second.hidden % type.block_length != 0) {
      std::fprintf(stderr, "rows of %u elements cannot be %s\n", found->second.hidden,
                   dtype.c_str());
      return 2;
    }
    Write(found->second, type.dtype, path);
    return 0;
  }
  std::fprintf(stderr, "unknown shape or type: 15m, 110m or 1b; F32, Q8_0, ...\n");
  return 2;
}

}  // namespace
}  // namespace waferline::bench

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: make_bench_model SHAPE DTYPE FILE\n");
    return 2;
  }
  return waferline::bench::Run(argv[1], argv[2], argv[3]);
}
