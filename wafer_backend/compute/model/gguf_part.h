// The bytes of one GGUF file, read: a whole model, or a part of one that is split over files
// (gguf_split.h). A value; its names, values and tensors are views into the bytes. Pure; any
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/model/gguf.h"
#include "wafer_backend/compute/model/metadata.h"

namespace waferline::model {

struct GgufPart {
  uint32_t version = 0;
  Metadata metadata;
  std::vector<GgufTensor> tensors;  // in the order of the file; names may occur twice
};

// Every length, count and offset is checked against the size of the bytes before anything is
// allocated for it. InvalidArgument or Unimplemented naming the key or the tensor, the position,
// and what was expected.
absl::StatusOr<GgufPart> ReadGguf(std::span<const std::byte> bytes);

}  // namespace waferline::model
