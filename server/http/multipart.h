// A body of multipart/form-data (RFC 7578): the fields of a form, and its file. Pure. Bounds:
// kMaxParts; the body's own.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace waferline::http {

inline constexpr size_t kMaxParts = 32;

struct FormPart {
  std::string name;
  std::string file_name;     // "": a field
  std::string_view content;  // in the body
};

// InvalidArgument: the type names no boundary, a part has no name, the last boundary is missing.
absl::StatusOr<std::vector<FormPart>> ReadForm(std::string_view content_type,
                                               std::string_view body);

}  // namespace waferline::http
