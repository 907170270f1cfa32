// config.json of a model's folder, as metadata of a GGUF file. Pure; any thread.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/model/checkpoint_family.h"
#include "wafer_backend/compute/model/contents_builder.h"

namespace waferline::model {

struct CheckpointConfig {
  const CheckpointFamily* family = nullptr;
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t vocabulary = 0;  // rows of the embedding
  bool tied_embeddings = false;
  std::vector<float> rope_factors;  // as rope_freqs.weight; none: empty
  // Ids that are not in the tokenizer's own files; -1: not given.
  int64_t bos = -1;
  int64_t eos = -1;
};

// Sets the keys of the family. InvalidArgument or Unimplemented naming the field.
absl::StatusOr<CheckpointConfig> ReadCheckpointConfig(const boost::json::object& config,
                                                      ContentsBuilder& builder);

}  // namespace waferline::model
