// The YAML files of deploy/hardware, profiles, model-shapes, plans and prices as they were at build
// time, so that waferd and waferctl know them wherever they are started. Any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace waferline {

struct BuiltInFile {
  std::string_view folder;  // "hardware"
  std::string_view name;    // "wse-3"
  std::string_view text;
};

struct NamedText {
  std::string name;  // for error messages: the path
  std::string text;
};

// `name_or_path` with a slash or a suffix after a dot (".yaml", ".json") is a file to read, else
// the name of a built-in file of `folder`. NotFound says which names exist.
absl::StatusOr<NamedText> LoadNamedText(std::string_view folder, const std::string& name_or_path);

// In the order of the names.
std::vector<std::string> BuiltInNames(std::string_view folder);

}  // namespace waferline
