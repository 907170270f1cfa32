#include "server/simulated/tiny_model.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/compute/model/gguf.h"

namespace waferline::simulated {
namespace {

constexpr int kHeads = 2, kHeadDim = 8, kFfn = 16;

// A GGUF file of version 3: keys, then tensors of F32 (github.com/ggml-org/ggml, docs/gguf.md).
class Writer {
 public:
  void Text(const std::string& key, const std::string& value) {
    Key(key, 8);
    String(&keys_, value);
  }
  void Number(const std::string& key, uint32_t value) {
    Key(key, 4);
    Put(&keys_, value);
  }
  void Real(const std::string& key, float value) {
    Key(key, 6);
    Put(&keys_, value);
  }
  struct Uniform {
    float middle = 0;
    float half_width = 0;
  };
  // [rows][columns], or [columns] for no rows.
  void Tensor(const std::string& name, int rows, int columns, Uniform values) {
    String(&tensors_, name);
    Put(&tensors_, uint32_t{rows > 0 ? 2u : 1u});
    Put(&tensors_, static_cast<uint64_t>(columns));
    if (rows > 0) Put(&tensors_, static_cast<uint64_t>(rows));
    Put(&tensors_, uint32_t{0});  // F32
    Put(&tensors_, static_cast<uint64_t>(data_.size()));
    for (int i = 0; i < std::max(rows, 1) * columns; ++i) {
      Put(&data_,
          values.middle + values.half_width * static_cast<float>(2 * numbers_.Uniform() - 1));
    }
    data_.resize((data_.size() + 31) / 32 * 32);
    ++tensor_count_;
  }
  std::string Bytes() const {
    std::string out = "GGUF";
    Put(&out, uint32_t{3});
    Put(&out, tensor_count_);
    Put(&out, key_count_);
    out += keys_ + tensors_;
    out.resize((out.size() + 31) / 32 * 32);
    return out + data_;
  }

 private:
  template <typename T>
  static void Put(std::string* out, T value) {
    out->append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  static void String(std::string* out, const std::string& text) {
    Put(out, uint64_t{text.size()});
    *out += text;
  }
  void Key(const std::string& key, uint32_t type) {
    String(&keys_, key);
    Put(&keys_, type);
    ++key_count_;
  }

  std::string keys_, tensors_, data_;
  uint64_t key_count_ = 0, tensor_count_ = 0;
  SeededStream numbers_{20};
};

std::string ModelBytes() {
  using M = TinyModel;
  Writer file;
  file.Text("general.architecture", "llama");
  file.Text("general.name", "tiny");
  file.Number("llama.block_count", M::kLayers);
  file.Number("llama.context_length", M::kContext);
  file.Number("llama.embedding_length", M::kHidden);
  file.Number("llama.feed_forward_length", kFfn);
  file.Number("llama.attention.head_count", kHeads);
  file.Number("llama.attention.head_count_kv", 1);
  file.Number("llama.attention.key_length", kHeadDim);
  file.Number("llama.attention.value_length", kHeadDim);
  file.Real("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  file.Real("llama.rope.freq_base", 10000);
  file.Number("llama.rope.dimension_count", kHeadDim);
  const auto matrix = [&](const std::string& name, int rows, int columns) {
    file.Tensor(name + ".weight", rows, columns,
                {0, std::sqrt(3.0f / static_cast<float>(columns))});
  };
  const auto norm = [&](const std::string& name) {
    file.Tensor(name + ".weight", 0, M::kHidden, {1, 0.5f});
  };
  matrix("token_embd", M::kVocabulary, M::kHidden);
  matrix("output", M::kVocabulary, M::kHidden);
  norm("output_norm");
  for (int layer = 0; layer < M::kLayers; ++layer) {
    const std::string blk = absl::StrCat("blk.", layer, ".");
    norm(blk + "attn_norm");
    matrix(blk + "attn_q", kHeads * kHeadDim, M::kHidden);
    matrix(blk + "attn_k", kHeadDim, M::kHidden);
    matrix(blk + "attn_v", kHeadDim, M::kHidden);
    matrix(blk + "attn_output", M::kHidden, kHeads * kHeadDim);
    norm(blk + "ffn_norm");
    matrix(blk + "ffn_gate", kFfn, M::kHidden);
    matrix(blk + "ffn_up", kFfn, M::kHidden);
    matrix(blk + "ffn_down", M::kHidden, kFfn);
  }
  return file.Bytes();
}

}  // namespace

TinyModel::TinyModel() {
  const auto file = model::GgufFile::FromBytes(ModelBytes(), "tiny.gguf");
  WL_CHECK(file.ok());
  kernels::ThreadPool pool(1);
  auto packed = shard::PackedModel::Load(*file, {0, kLayers}, &pool);
  WL_CHECK(packed.ok());
  packed_ = *std::move(packed);
}

}  // namespace waferline::simulated
