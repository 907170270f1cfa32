#include "wafer_backend/compute/model/checkpoint_tensors.h"

#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/kernels/dequantize.h"

namespace waferline::model {
namespace {

using kernels::DType;

constexpr RenamedPart kOutside[] = {{"model.embed_tokens.weight", "token_embd.weight"},
                                    {"model.norm.weight", "output_norm.weight"},
                                    {"lm_head.weight", "output.weight"}};
// Parts of a layer: model.layers.N.FROM.weight or .bias, blk.N.TO.weight or .bias.
constexpr RenamedPart kInLayer[] = {
    {"input_layernorm", "attn_norm"},    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},      {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"}, {"self_attn.q_norm", "attn_q_norm"},
    {"self_attn.k_norm", "attn_k_norm"}, {"post_attention_layernorm", "ffn_norm"},
    {"mlp.gate_proj", "ffn_gate"},       {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"}};

std::optional<std::string_view> PartInGguf(std::string_view part, const CheckpointFamily& family) {
  for (const RenamedPart& renamed : family.parts) {
    if (renamed.from == part) return renamed.to;
  }
  for (const RenamedPart& renamed : kInLayer) {
    if (renamed.from == part) return renamed.to;
  }
  return std::nullopt;
}

std::optional<std::string> NameInGguf(std::string_view name, const CheckpointFamily& family) {
  for (const RenamedPart& renamed : kOutside) {
    if (renamed.from == name) return std::string(renamed.to);
  }
  constexpr std::string_view kLayers = "model.layers.";
  if (!name.starts_with(kLayers)) return std::nullopt;
  name.remove_prefix(kLayers.size());
  const size_t dot = name.find('.');
  const size_t end = name.rfind('.');
  uint32_t layer = 0;
  if (dot == name.npos || end <= dot || !absl::SimpleAtoi(Absl(name.substr(0, dot)), &layer)) {
    return std::nullopt;
  }
  const std::string_view kind = name.substr(end);
  if (kind != ".weight" && kind != ".bias") return std::nullopt;
  const auto part = PartInGguf(name.substr(dot + 1, end - dot - 1), family);
  if (!part) return std::nullopt;
  return absl::StrCat("blk.", layer, ".", Absl(*part), Absl(kind));
}

// Row i of a head becomes row 2i, row i + d/2 row 2i + 1.
std::string Interleaved(const SafeTensor& tensor, int64_t heads) {
  const size_t rows = static_cast<size_t>(tensor.shape.front() / heads);  // of a head
  const size_t row_bytes = tensor.bytes.size() / static_cast<size_t>(tensor.shape.front());
  std::string out(tensor.bytes.size(), '\0');
  for (size_t head = 0; head < static_cast<size_t>(heads); ++head) {
    for (size_t i = 0; i < rows; ++i) {
      const size_t from = head * rows + (i % 2) * (rows / 2) + i / 2;
      std::memcpy(out.data() + (head * rows + i) * row_bytes,
                  tensor.bytes.data() + from * row_bytes, row_bytes);
    }
  }
  return out;
}

// `added`: to each.
std::string ToF32(DType dtype, std::span<const std::byte> bytes, int64_t elements, float added) {
  std::string out(static_cast<size_t>(elements) * sizeof(float), '\0');
  const std::string aligned(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  kernels::Dequantize(dtype, reinterpret_cast<const std::byte*>(aligned.data()), elements,
                      reinterpret_cast<float*>(out.data()));
  for (int64_t i = 0; added != 0 && i < elements; ++i) {
    reinterpret_cast<float*>(out.data())[i] += added;
  }
  return out;
}

bool Aligned(std::span<const std::byte> bytes) {
  return reinterpret_cast<uintptr_t>(bytes.data()) % sizeof(float) == 0;
}

}  // namespace

absl::Status AddCheckpointTensor(const SafeTensor& tensor, const CheckpointConfig& config,
                                 ContentsBuilder& builder) {
  if (std::string_view(tensor.name).ends_with(".rotary_emb.inv_freq")) return absl::OkStatus();
  if (config.tied_embeddings && tensor.name == "lm_head.weight") return absl::OkStatus();
  const auto in_tensor = [&tensor](absl::StatusCode code, auto... what) {
    return absl::Status(code, absl::StrCat("tensor ", Quoted(tensor.name), " ", what...));
  };
  std::optional<std::string> name = NameInGguf(tensor.name, *config.family);
  if (!name) {
    return in_tensor(absl::StatusCode::kInvalidArgument, "is not part of a ",
                     Absl(config.family->architecture), " model");
  }
  if (!tensor.dtype) {
    return in_tensor(absl::StatusCode::kUnimplemented, "is ", tensor.type,
                     "; F32, F16 and BF16 can be read");
  }
  if (tensor.shape.empty() || tensor.shape.size() > 2) {
    return in_tensor(absl::StatusCode::kInvalidArgument, "has ", tensor.shape.size(),
                     " dimensions, expected 1 or 2");
  }
  const std::vector<int64_t> dims(tensor.shape.rbegin(), tensor.shape.rend());
  const bool query = name->find(".attn_q.") != std::string::npos;
  const bool key = name->find(".attn_k.") != std::string::npos;
  SafeTensor moved = tensor;
  if (config.family->halves_become_neighbours && (query || key)) {
    const int64_t heads = query ? config.heads : config.kv_heads;
    if (tensor.shape.front() % (2 * heads) != 0) {
      return in_tensor(absl::StatusCode::kInvalidArgument, "has ", tensor.shape.front(),
                       " rows, which are not ", heads, " heads of an even size");
    }
    moved.bytes = builder.KeepBytes(Interleaved(tensor, heads));
  }
  if (dims.size() == 1) {
    const auto bytes = builder.KeepBytes(
        ToF32(*tensor.dtype, moved.bytes, dims.front(), config.family->added_to_norms));
    builder.AddTensor(*std::move(name), DType::kF32, dims, bytes);
    return absl::OkStatus();
  }
  if (!Aligned(moved.bytes)) {
    moved.bytes =
        builder.KeepBytes({reinterpret_cast<const char*>(moved.bytes.data()), moved.bytes.size()});
  }
  builder.AddTensor(*std::move(name), *tensor.dtype, dims, moved.bytes);
  return absl::OkStatus();
}

}  // namespace waferline::model
