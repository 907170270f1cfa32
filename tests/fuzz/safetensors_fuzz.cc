// fuzzes: wafer_backend/compute/model/families tests/support
// A folder of safetensors without the disk: headers of weights, config.json, tokenizer.json and
// tokenizer_config.json. The first byte says which; bytes are the text itself, or changes to a good
// one, so that both the first checks and the last ones are reached.
#include <boost/json/serialize.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "tests/support/checkpoint_writer.h"
#include "tests/support/random_model.h"
#include "wafer_backend/compute/model/checkpoint_config.h"
#include "wafer_backend/compute/model/checkpoint_tensors.h"
#include "wafer_backend/compute/model/checkpoint_tokenizer.h"
#include "wafer_backend/compute/model/json_file.h"
#include "wafer_backend/compute/model/safetensors.h"
#include "wafer_backend/compute/model/tokenizer.h"

namespace waferline::model {
namespace {

const CheckpointConfig kConfig = {.family = *CheckpointFamilyOf("llama"),
                                  .layers = 1,
                                  .heads = 2,
                                  .kv_heads = 2,
                                  .vocabulary = 600};

void ReadWeights(const std::string& bytes) {
  const auto tensors = ReadSafetensors(std::as_bytes(std::span(bytes)));
  if (!tensors.ok()) return;
  ModelContents contents;
  ContentsBuilder builder(&contents);
  const auto* begin = reinterpret_cast<const std::byte*>(bytes.data());
  for (const SafeTensor& tensor : *tensors) {
    if (tensor.bytes.data() < begin ||
        tensor.bytes.data() + tensor.bytes.size() > begin + bytes.size()) {
      std::abort();
    }
    (void)AddCheckpointTensor(tensor, kConfig, builder);
  }
}

void ReadJson(uint8_t kind, std::string_view text) {
  const auto object = ParseJsonObject(text);
  if (!object.ok()) return;
  ModelContents contents;
  ContentsBuilder builder(&contents);
  if (kind == 0) {
    (void)ReadCheckpointConfig(*object, builder);
  } else if (ReadTokenizerJson(*object, kConfig, builder).ok()) {
    (void)ReadTokenizerConfig(*object, builder);
    const auto file = GgufFile::FromContents(std::move(contents));
    if (!file.ok()) std::abort();
    const auto tokenizer = TokenizerFromGguf(**file);
    if (tokenizer.ok()) (*tokenizer)->Decode((*tokenizer)->Encode("some text 12 \xff"), false);
  }
}

struct Good {
  std::string weights, config, tokenizer;
};

Good MakeGood() {
  const auto file = *GgufFile::FromBytes(
      test::RandomModelBytes({.dtype = kernels::DType::kBF16,
                              .layers = 1,
                              .hidden = 32,
                              .heads = 2,
                              .ffn = 32,
                              .vocabulary = test::VocabularyKind::kBytePairs}));
  const test::CheckpointWriter writer(*file);
  return {test::SafetensorsBytes(writer.tensors), boost::json::serialize(writer.config),
          boost::json::serialize(writer.tokenizer)};
}

// Each four bytes of the recipe are a place and its new value.
std::string Changed(const std::string& good, std::string_view recipe) {
  std::string bytes = good;
  for (size_t i = 0; i + 4 <= recipe.size(); i += 4) {
    const auto at = [&](size_t j) { return static_cast<uint8_t>(recipe[i + j]); };
    bytes[(at(0) | at(1) << 8 | at(2) << 16) % bytes.size()] = static_cast<char>(at(3));
  }
  return bytes;
}

}  // namespace
}  // namespace waferline::model

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace waferline::model;
  static const Good kGood = MakeGood();
  if (size < 1) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 7) {
    case 0:
      ReadWeights(std::string(input));
      break;
    case 1: {  // a header of the right length, and no data
      const uint64_t length = input.size();
      ReadWeights(std::string(reinterpret_cast<const char*>(&length), 8) + std::string(input));
      break;
    }
    case 2:
      ReadWeights(Changed(kGood.weights, input));
      break;
    case 3:
      ReadJson(0, input);
      break;
    case 4:
      ReadJson(0, Changed(kGood.config, input));
      break;
    case 5:
      ReadJson(1, input);
      break;
    default:
      ReadJson(1, Changed(kGood.tokenizer, input));
  }
  return 0;
}
