// The sizes and variants of a transformer, read from the metadata of its GGUF file. A plain value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/model/gguf.h"

namespace waferline::model {

enum class Architecture : uint8_t {
  kLlama,  // also written as "mistral"
  kQwen2,
  kQwen3,
};
std::string_view Name(Architecture architecture);  // "llama", "qwen2", "qwen3"

// Which two elements of a head are turned together by the rotary embedding (Su et al. 2021), i
// counting pairs: kNorm (2i, 2i + 1); kNeox (i, i + head_dim / 2).
enum class RopeKind : uint8_t { kNorm, kNeox };

// Angle of pair i at position p:
//   p / rope_linear_factor * rope_theta^(-2i / head_dim) / rope_frequency_factors[i]
// (no factors: 1). Query head h reads key/value head h / (heads / kv_heads).
struct ModelShape {
  Architecture architecture = Architecture::kLlama;
  std::string name;  // general.name; may be empty

  int64_t layers = 0;
  int64_t hidden = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;  // divides heads
  int64_t head_dim = 0;  // even; heads * head_dim need not be hidden
  int64_t ffn = 0;
  int64_t context = 0;  // positions; not beyond the sliding window, if the file has one
  int64_t vocabulary = 0;

  double rope_theta = 10000;
  RopeKind rope_kind = RopeKind::kNorm;
  // head_dim / 2 positive numbers or none: Llama 3's scaling, as converters store it in
  // rope_freqs.weight.
  std::vector<float> rope_frequency_factors;
  double rope_linear_factor = 1;

  double norm_epsilon = 0;
  bool tied_embeddings = false;  // the output matrix is the token embedding
  bool qkv_biases = false;
  bool qk_norms = false;  // RMS norm of each query and key head before the rotary embedding

  int64_t q_width() const { return heads * head_dim; }
  int64_t kv_width() const { return kv_heads * head_dim; }

  // InvalidArgument or Unimplemented naming the key or tensor: a key is missing or out of range,
  // keys contradict each other, the architecture or a variant (experts, YaRN, ...) is not known
  // here. The shapes of the weights are checked by ModelWeights::Bind.
  static absl::StatusOr<ModelShape> FromGguf(const GgufFile& file);
};

}  // namespace waferline::model
