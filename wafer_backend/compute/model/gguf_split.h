// GGUF files on disk, whole or split: llama.cpp's gguf-split cuts a model into
// NAME-00001-of-0000N.gguf ... NAME-0000N-of-0000N.gguf, each a GGUF file with some of the tensors
// and the keys split.no (from 0), split.count and split.tensors.count (of all parts together).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/model/gguf.h"
#include "wafer_backend/compute/model/gguf_part.h"

namespace waferline::model {

// A path that names a part of a split model.
struct SplitPath {
  std::string prefix;   // "models/NAME"
  uint32_t number = 0;  // from 1
  uint32_t count = 0;

  // nullopt if the path is not of that form.
  static std::optional<SplitPath> Parse(std::string_view path);
  std::string PathOf(uint32_t number) const;
};

// Puts parts, the first one first, together: the keys and tensors of all. InvalidArgument naming
// the part's path, if its split keys contradict `split` or the first part's, a key has another
// value than there, a tensor is in two parts, tensors are missing.
absl::StatusOr<GgufPart> JoinParts(const SplitPath& split, std::vector<GgufPart> parts);

// The file, or all parts of the model that it is a part of. NotFound naming a part that is missing;
// errors of JoinParts.
absl::StatusOr<ModelContents> OpenGguf(const std::string& path);

}  // namespace waferline::model
