#include "wafer_backend/compute/model/model_shape.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::model {
namespace {

// Far above any model; low enough that products of two fit easily into 63 bits.
constexpr uint64_t kLargestSize = uint64_t{1} << 28;
// Every layer has at least this many tensors: two norms, q, k, v, output, gate, up, down.
constexpr int64_t kTensorsOfLayer = 9;

absl::StatusOr<Architecture> ArchitectureOf(std::string_view name) {
  if (name == "llama" || name == "mistral") return Architecture::kLlama;
  if (name == "qwen2") return Architecture::kQwen2;
  if (name == "qwen3") return Architecture::kQwen3;
  return absl::UnimplementedError(
      absl::StrCat("architecture ", Quoted(name),
                   " (general.architecture) is not supported; llama, mistral, qwen2, qwen3 are"));
}

// Reads the keys of one architecture: "<architecture>.<key>".
class ShapeReader {
 public:
  ShapeReader(const GgufFile& file, std::string_view architecture)
      : file_(file), metadata_(file.metadata()), prefix_(absl::StrCat(Absl(architecture), ".")) {}

  absl::Status Read(ModelShape& shape) {
    WL_RETURN_IF_ERROR(RefuseVariants());
    WL_RETURN_IF_ERROR(ReadSizes(shape));
    WL_RETURN_IF_ERROR(ReadHeads(shape));
    WL_RETURN_IF_ERROR(ReadRope(shape));
    WL_RETURN_IF_ERROR(ReadNormEpsilon(shape));
    return ReadTensors(shape);
  }

 private:
  std::string Key(std::string_view name) const { return absl::StrCat(prefix_, Absl(name)); }

  absl::StatusOr<int64_t> Size(std::string_view name) const {
    WL_ASSIGN_OR_RETURN(const uint64_t value, metadata_.Uint(Key(name)));
    if (value < 1 || value > kLargestSize) {
      return absl::InvalidArgumentError(absl::StrCat("metadata key ", Quoted(Key(name)), " is ",
                                                     value, ", expected 1 to ", kLargestSize));
    }
    return static_cast<int64_t>(value);
  }

  absl::StatusOr<int64_t> SizeOr(std::string_view name, int64_t otherwise) const {
    if (!metadata_.Has(Key(name))) return otherwise;
    return Size(name);
  }

  // What the compute plane does not do must not be computed as if it were not there.
  absl::Status RefuseVariants() const {
    WL_ASSIGN_OR_RETURN(const uint64_t experts, metadata_.UintOr(Key("expert_count"), 0));
    if (experts > 0) {
      return absl::UnimplementedError(absl::StrCat("mixtures of experts are not supported (",
                                                   Key("expert_count"), " is ", experts, ")"));
    }
    return absl::OkStatus();
  }

  absl::Status ReadSizes(ModelShape& shape) const {
    WL_ASSIGN_OR_RETURN(shape.layers, Size("block_count"));
    if (shape.layers * kTensorsOfLayer > static_cast<int64_t>(file_.tensors().size())) {
      return absl::InvalidArgumentError(absl::StrCat(
          Key("block_count"), " is ", shape.layers, ", but the file has only ",
          file_.tensors().size(), " tensors, where each layer needs ", kTensorsOfLayer));
    }
    WL_ASSIGN_OR_RETURN(shape.hidden, Size("embedding_length"));
    WL_ASSIGN_OR_RETURN(shape.ffn, Size("feed_forward_length"));
    WL_ASSIGN_OR_RETURN(shape.context, Size("context_length"));
    // Attention within the window is the whole attention while no position is outside it.
    WL_ASSIGN_OR_RETURN(const uint64_t window,
                        metadata_.UintOr(Key("attention.sliding_window"), 0));
    if (window > 0 && window < static_cast<uint64_t>(shape.context)) {
      shape.context = static_cast<int64_t>(window);
    }
    return absl::OkStatus();
  }

  absl::Status ReadHeads(ModelShape& shape) const {
    WL_ASSIGN_OR_RETURN(shape.heads, Size("attention.head_count"));
    WL_ASSIGN_OR_RETURN(shape.kv_heads, SizeOr("attention.head_count_kv", shape.heads));
    if (shape.heads % shape.kv_heads != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(Key("attention.head_count"), " (", shape.heads, ") is not a multiple of ",
                       Key("attention.head_count_kv"), " (", shape.kv_heads, ")"));
    }
    if (!metadata_.Has(Key("attention.key_length")) && shape.hidden % shape.heads != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(Key("embedding_length"), " (", shape.hidden, ") is not a multiple of ",
                       Key("attention.head_count"), " (", shape.heads, ") and there is no ",
                       Key("attention.key_length")));
    }
    WL_ASSIGN_OR_RETURN(shape.head_dim, SizeOr("attention.key_length", shape.hidden / shape.heads));
    WL_RETURN_IF_ERROR(SameAsHead("attention.value_length", shape.head_dim));
    WL_RETURN_IF_ERROR(SameAsHead("rope.dimension_count", shape.head_dim));
    if (shape.head_dim % 2 != 0) {
      return absl::InvalidArgumentError(absl::StrCat("the head size is ", shape.head_dim,
                                                     ", but rotary embedding needs an even one (",
                                                     Key("attention.key_length"), ")"));
    }
    return absl::OkStatus();
  }

  absl::Status SameAsHead(std::string_view name, int64_t head_dim) const {
    WL_ASSIGN_OR_RETURN(const int64_t value, SizeOr(name, head_dim));
    if (value == head_dim) return absl::OkStatus();
    return absl::UnimplementedError(absl::StrCat(
        Key(name), " is ", value, ", but only the head size of ", head_dim, " is supported there"));
  }

  absl::Status ReadRope(ModelShape& shape) const {
    shape.rope_kind =
        shape.architecture == Architecture::kLlama ? RopeKind::kNorm : RopeKind::kNeox;
    WL_ASSIGN_OR_RETURN(shape.rope_theta, metadata_.FloatOr(Key("rope.freq_base"), 10000));
    WL_RETURN_IF_ERROR(Positive("rope.freq_base", shape.rope_theta));
    // Old files have rope.scale_linear and no type.
    WL_ASSIGN_OR_RETURN(shape.rope_linear_factor, metadata_.FloatOr(Key("rope.scale_linear"), 1));
    WL_RETURN_IF_ERROR(Positive("rope.scale_linear", shape.rope_linear_factor));
    WL_ASSIGN_OR_RETURN(const std::string_view scaling,
                        metadata_.StringOr(Key("rope.scaling.type"), "none"));
    if (scaling == "linear") {
      WL_ASSIGN_OR_RETURN(shape.rope_linear_factor, metadata_.Float(Key("rope.scaling.factor")));
      return Positive("rope.scaling.factor", shape.rope_linear_factor);
    }
    if (scaling == "none") return absl::OkStatus();
    return absl::UnimplementedError(
        absl::StrCat("rotary scaling ", Quoted(scaling), " (", Key("rope.scaling.type"),
                     ") is not supported; linear and the factors of rope_freqs.weight are"));
  }

  absl::Status ReadNormEpsilon(ModelShape& shape) const {
    constexpr std::string_view kKey = "attention.layer_norm_rms_epsilon";
    WL_ASSIGN_OR_RETURN(shape.norm_epsilon, metadata_.Float(Key(kKey)));
    return Positive(kKey, shape.norm_epsilon);
  }

  absl::Status Positive(std::string_view name, double value) const {
    if (value > 0) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat(Key(name), " is ", value, ", expected a positive number"));
  }

  // What the presence and the sizes of tensors say about the variant.
  absl::Status ReadTensors(ModelShape& shape) const {
    const GgufTensor* embedding = file_.FindTensor("token_embd.weight");
    if (embedding == nullptr) {
      return absl::InvalidArgumentError("tensor \"token_embd.weight\" is missing");
    }
    shape.vocabulary = embedding->rows();
    if (shape.vocabulary > static_cast<int64_t>(kLargestSize)) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor \"token_embd.weight\" has ", shape.vocabulary, " rows"));
    }
    if (metadata_.Has("tokenizer.ggml.tokens")) {
      WL_ASSIGN_OR_RETURN(const auto tokens, metadata_.Strings("tokenizer.ggml.tokens"));
      if (static_cast<int64_t>(tokens.size()) != shape.vocabulary) {
        return absl::InvalidArgumentError(absl::StrCat("tokenizer.ggml.tokens has ", tokens.size(),
                                                       " tokens, but token_embd.weight has ",
                                                       shape.vocabulary, " rows"));
      }
    }
    shape.tied_embeddings = file_.FindTensor("output.weight") == nullptr;
    shape.qkv_biases = shape.architecture == Architecture::kQwen2 ||
                       file_.FindTensor("blk.0.attn_q.bias") != nullptr;
    shape.qk_norms = shape.architecture == Architecture::kQwen3;
    return ReadFrequencyFactors(shape);
  }

  absl::Status ReadFrequencyFactors(ModelShape& shape) const {
    const GgufTensor* factors = file_.FindTensor("rope_freqs.weight");
    if (factors == nullptr) return absl::OkStatus();
    if (factors->dtype != kernels::DType::kF32 || factors->elements() != shape.head_dim / 2) {
      return absl::InvalidArgumentError(absl::StrCat(
          "tensor \"rope_freqs.weight\" is ", factors->TypeName(), " ", factors->ShapeText(),
          ", expected F32 with half the head size, ", shape.head_dim / 2));
    }
    shape.rope_frequency_factors.resize(shape.head_dim / 2);
    std::memcpy(shape.rope_frequency_factors.data(), factors->bytes.data(), factors->bytes.size());
    for (float factor : shape.rope_frequency_factors) {
      if (!(factor > 0) || !std::isfinite(factor)) {
        return absl::InvalidArgumentError(absl::StrCat("tensor \"rope_freqs.weight\" holds ",
                                                       factor, ", expected positive numbers"));
      }
    }
    return absl::OkStatus();
  }

  const GgufFile& file_;
  const Metadata& metadata_;
  const std::string prefix_;
};

}  // namespace

std::string_view Name(Architecture architecture) {
  switch (architecture) {
    case Architecture::kLlama:
      return "llama";
    case Architecture::kQwen2:
      return "qwen2";
    case Architecture::kQwen3:
      return "qwen3";
  }
  return "";
}

absl::StatusOr<ModelShape> ModelShape::FromGguf(const GgufFile& file) {
  ModelShape shape;
  WL_ASSIGN_OR_RETURN(const std::string_view name, file.metadata().String("general.architecture"));
  WL_ASSIGN_OR_RETURN(shape.architecture, ArchitectureOf(name));
  WL_ASSIGN_OR_RETURN(shape.name, file.metadata().StringOr("general.name", ""));
  WL_RETURN_IF_ERROR(ShapeReader(file, name).Read(shape));
  return shape;
}

}  // namespace waferline::model
