#include "wafer_backend/compute/model/families/families.h"

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/kernels/kv_page.h"
#include "wafer_backend/compute/model/families/family.h"

namespace waferline::model {
namespace {

constexpr std::array kFamilies = {
    &kLlama,      &kMistral,  &kSmolLm3,  &kGranite, &kQwen2,   &kQwen3,      &kGemma,
    &kGemma2,     &kGemma3,   &kPhi3,     &kOlmo2,   &kGlm4,    &kStarcoder2, &kStablelm,
    &kGraniteMoe, &kQwen2Moe, &kQwen3Moe, &kGptOss,  &kGlm4Moe, &kLlama4,     &kDeepSeek2};

absl::StatusOr<const Family*> FamilyOf(const GgufFile& file) {
  WL_ASSIGN_OR_RETURN(const std::string_view name, file.metadata().String("general.architecture"));
  std::string known;
  for (const Family* family : kFamilies) {
    if (family->architecture == name) return family;
    absl::StrAppend(&known, known.empty() ? "" : ", ", Absl(family->architecture));
  }
  return absl::UnimplementedError(
      absl::StrCat("architecture ", Quoted(name),
                   " (general.architecture) is not supported; these are: ", known));
}

// What the tensors around the layers say.
absl::Status ReadVocabulary(const GgufFile& file, ModelShape& shape) {
  const GgufTensor* embedding = file.FindTensor("token_embd.weight");
  if (embedding == nullptr) {
    return absl::InvalidArgumentError("tensor \"token_embd.weight\" is missing");
  }
  shape.vocabulary = embedding->rows();
  if (shape.vocabulary > KeyReader::kMaxSize) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor \"token_embd.weight\" has ", shape.vocabulary, " rows"));
  }
  shape.tied_embeddings = file.FindTensor("output.weight") == nullptr;
  if (!file.metadata().Has("tokenizer.ggml.tokens")) return absl::OkStatus();
  WL_ASSIGN_OR_RETURN(const auto tokens, file.metadata().Strings("tokenizer.ggml.tokens"));
  if (static_cast<int64_t>(tokens.size()) == shape.vocabulary) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("tokenizer.ggml.tokens has ", tokens.size(),
                                                 " tokens, but token_embd.weight has ",
                                                 shape.vocabulary, " rows"));
}

// Attention is computed for heads up to a bound.
absl::Status CheckHeads(const KeyReader& keys, const ModelShape& shape) {
  const kernels::KvPageLayout page{.layers = 1,
                                   .kv_heads = shape.kv_heads,
                                   .head_dim = shape.head_dim,
                                   .value_dim = shape.value_dim};
  const absl::Status status = page.Check();
  if (status.ok()) return status;
  return absl::Status(
      status.code(),
      absl::StrCat(keys.Key("attention.key_length"),
                   " or the head size that follows from other keys: ", status.message()));
}

absl::StatusOr<ModelShape> ReadShape(const Family& family, KeyReader& keys) {
  ModelShape shape;
  shape.architecture = family.architecture;
  WL_ASSIGN_OR_RETURN(shape.name, keys.file().metadata().StringOr("general.name", ""));
  WL_RETURN_IF_ERROR(family.read(keys, shape));
  WL_CHECK(static_cast<int64_t>(shape.plan.size()) == shape.layers);
  WL_RETURN_IF_ERROR(CheckHeads(keys, shape));
  WL_RETURN_IF_ERROR(keys.CheckAllRead());
  WL_RETURN_IF_ERROR(ReadVocabulary(keys.file(), shape));
  return shape;
}

absl::Status Bind(const Family& family, TensorBinder& tensors, ModelWeights& weights) {
  const ModelShape& shape = weights.shape;
  WL_RETURN_IF_ERROR(tensors.Matrix("token_embd.weight", shape.vocabulary, shape.hidden,
                                    &weights.token_embedding));
  weights.layers.resize(shape.layers);
  for (int64_t i = 0; i < shape.layers; ++i) {
    tensors.EnterLayer(i);
    WL_RETURN_IF_ERROR(family.bind(tensors, shape, i, weights.layers[i]));
  }
  tensors.LeaveLayers();
  WL_RETURN_IF_ERROR(tensors.Norm("output_norm", shape.hidden, &weights.output_norm));
  weights.output = weights.token_embedding;
  if (!shape.tied_embeddings) {
    WL_RETURN_IF_ERROR(
        tensors.Matrix("output.weight", shape.vocabulary, shape.hidden, &weights.output));
  }
  return tensors.CheckAllUsed(shape.architecture);
}

}  // namespace

absl::StatusOr<ModelShape> ReadShape(const GgufFile& file) {
  WL_ASSIGN_OR_RETURN(const Family* family, FamilyOf(file));
  KeyReader keys(file, family->architecture);
  return ReadShape(*family, keys);
}

absl::StatusOr<ModelWeights> BindWeights(std::shared_ptr<const GgufFile> file) {
  WL_ASSIGN_OR_RETURN(const Family* family, FamilyOf(*file));
  KeyReader keys(*file, family->architecture);
  ModelWeights weights;
  WL_ASSIGN_OR_RETURN(weights.shape, ReadShape(*family, keys));
  TensorBinder tensors(keys);
  WL_RETURN_IF_ERROR(Bind(*family, tensors, weights));
  weights.file = std::move(file);
  return weights;
}

}  // namespace waferline::model
