// What differs between the families whose folders of safetensors can be read: what config.json and
// the weights of one have and those of the others have not. Values; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wafer_backend/base/json_fields.h"
#include "wafer_backend/compute/model/contents_builder.h"

namespace waferline::model {

struct CheckpointConfig;

struct HeadSizes {
  int64_t hidden = 0;
  int64_t head_dim = 0;
};

struct RenamedPart {
  std::string_view from, to;
};

struct CheckpointFamily {
  std::string_view model_type;    // in config.json
  std::string_view architecture;  // in a GGUF file
  std::string_view activation_field = "hidden_act";
  std::string_view activation = "silu";
  bool tied_embeddings = false;  // where config.json does not say
  // Rotary embedding turns elements i and i + d/2 of a head in these files, 2i and 2i + 1 in GGUF
  // files.
  bool halves_become_neighbours = false;
  float added_to_norms = 0;              // GGUF files have it in the weights
  std::span<const RenamedPart> parts{};  // of a layer, that mean something else elsewhere
  // Reads what else config.json has; none: nothing.
  absl::Status (*read)(JsonFields& fields, const CheckpointConfig& config, const HeadSizes& sizes,
                       ContentsBuilder& builder) = nullptr;
};

// Unimplemented for a model_type that is not known, naming those that are.
absl::StatusOr<const CheckpointFamily*> CheckpointFamilyOf(std::string_view model_type);

}  // namespace waferline::model
