// fuzzes: wafer_backend/compute/model/families tests/support
// The reader of model files, their shape and weights, and the tokenizers that they define. Bytes
// are either a whole file, or a recipe for changes to a good one: so that both the first checks and
// the last ones are reached.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/random_model.h"
#include "wafer_backend/compute/model/families/families.h"
#include "wafer_backend/compute/model/gguf.h"
#include "wafer_backend/compute/model/gguf_split.h"
#include "wafer_backend/compute/model/tokenizer.h"
#include "wafer_backend/compute/model/weights.h"

namespace waferline::model {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

void CheckWeights(const ModelWeights& weights) {
  // Every byte that a view names can be read.
  uint8_t sum = 0;
  for (const GgufTensor& tensor : weights.file->tensors()) {
    for (size_t i = 0; i < tensor.bytes.size(); i += 997) {
      sum ^= std::to_integer<uint8_t>(tensor.bytes[i]);
    }
    if (!tensor.bytes.empty()) sum ^= std::to_integer<uint8_t>(tensor.bytes.back());
  }
  volatile uint8_t keep = sum;
  (void)keep;
  Require(weights.shape.heads % weights.shape.kv_heads == 0);
}

void CheckTokenizer(const Tokenizer& tokenizer, std::string_view text) {
  for (bool special : {false, true}) {
    const auto ids = tokenizer.Encode(text, {.add_special = special, .parse_special = special});
    for (TokenId id : ids) Require(tokenizer.valid(id));
    tokenizer.Decode(ids, false);
    tokenizer.Decode(ids, true);
  }
  for (TokenId id : tokenizer.end_ids()) Require(tokenizer.valid(id));
}

void Read(std::string bytes, std::string_view text) {
  const auto file = GgufFile::FromBytes(std::move(bytes));
  if (!file.ok()) return;
  if (const auto weights = BindWeights(*file); weights.ok()) CheckWeights(*weights);
  if (const auto tokenizer = TokenizerFromGguf(**file); tokenizer.ok()) {
    CheckTokenizer(**tokenizer, text);
  }
}

// A model cut into two parts at any byte of the second: what joins them must refuse or take it.
void ReadSplit(std::string_view first, std::string_view second) {
  std::vector<GgufPart> parts;
  for (const std::string_view bytes : {first, second}) {
    auto part = ReadGguf(std::as_bytes(std::span(bytes)));
    if (!part.ok()) return;
    parts.push_back(*std::move(part));
  }
  const size_t tensors = parts[0].tensors.size() + parts[1].tensors.size();
  const auto whole = JoinParts({"model", 1, 2}, std::move(parts));
  if (whole.ok()) Require(whole->tensors.size() == tensors);
}

std::vector<std::string> GoodParts() {
  test::GgufWriter first = test::RandomModel({.layers = 1});
  const uint32_t tensors = static_cast<uint32_t>(first.TensorCount());
  test::GgufWriter second;
  first.MoveTensor(0, second);
  first.MoveTensor(1, second);
  uint32_t number = 0;
  for (test::GgufWriter* part : {&first, &second}) {
    part->SetUint("split.no", number++).SetUint("split.count", 2);
    part->SetUint("split.tensors.count", tensors);
  }
  return {first.Bytes(), second.Bytes()};
}

std::vector<std::string> GoodFiles() {
  std::vector<std::string> files;
  for (auto vocabulary : {test::VocabularyKind::kSentencePiece, test::VocabularyKind::kBytePairs}) {
    for (const std::string& architecture : test::ModelFamilies()) {
      test::RandomModelSpec spec;
      spec.architecture = architecture;
      spec.vocabulary = vocabulary;
      spec.dtype = kernels::DType::kQ4_0;
      spec.layers = 1;
      spec.hidden = spec.ffn = 32;
      spec.heads = 2;
      spec.rope_frequency_factors = true;
      files.push_back(test::RandomModelBytes(spec));
    }
    // A tensor for each expert.
    test::RandomModelSpec older{.dtype = kernels::DType::kQ4_0, .layers = 1, .hidden = 32};
    older.ffn = 32, older.heads = 2, older.experts = 3;
    older.separate_experts = true;
    older.vocabulary = vocabulary;
    files.push_back(test::RandomModelBytes(older));
  }
  return files;
}

// Each four bytes of the recipe are a place and its new value.
std::string Changed(const std::string& good, std::string_view recipe) {
  std::string bytes = good;
  for (size_t i = 0; i + 4 <= recipe.size(); i += 4) {
    const auto at = [&](size_t j) { return static_cast<uint8_t>(recipe[i + j]); };
    const size_t place = (at(0) | at(1) << 8 | at(2) << 16) % bytes.size();
    bytes[place] = static_cast<char>(at(3));
  }
  return bytes;
}

}  // namespace
}  // namespace waferline::model

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace waferline::model;
  static const std::vector<std::string> kGood = GoodFiles();
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (size < 2 || input.starts_with("GGUF")) {
    Read(std::string(input), "some text");
    return 0;
  }
  if (data[0] == 0xff) {
    static const std::vector<std::string> kParts = GoodParts();
    ReadSplit(kParts[0], Changed(kParts[1], input.substr(2)));
    return 0;
  }
  const std::string& good = kGood[data[0] % kGood.size()];
  const size_t recipe = std::min<size_t>(data[1] % 64 * 4, size - 2);
  Read(Changed(good, input.substr(2, recipe)), input.substr(2 + recipe));
  return 0;
}
