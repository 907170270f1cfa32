#include "wafer_backend/compute/model/checkpoint_family.h"

#include <array>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/model/checkpoint_gemma3.h"
#include "wafer_backend/compute/model/metadata.h"

namespace waferline::model {
namespace {

constexpr CheckpointFamily kLlama = {
    .model_type = "llama", .architecture = "llama", .halves_become_neighbours = true};
constexpr CheckpointFamily kQwen2 = {.model_type = "qwen2", .architecture = "qwen2"};
constexpr CheckpointFamily kQwen3 = {.model_type = "qwen3", .architecture = "qwen3"};
constexpr std::array kFamilies = {&kLlama, &kQwen2, &kQwen3, &kGemma3Checkpoint};

}  // namespace

absl::StatusOr<const CheckpointFamily*> CheckpointFamilyOf(std::string_view model_type) {
  for (const CheckpointFamily* family : kFamilies) {
    if (family->model_type == model_type) return family;
  }
  return absl::UnimplementedError(absl::StrCat(
      "model_type is ", Quoted(model_type),
      "; of a folder llama, qwen2, qwen3 and gemma3_text can be read, of a GGUF file more"));
}

}  // namespace waferline::model
