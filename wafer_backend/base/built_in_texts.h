// What the build makes of the files under deploy/ (see this folder's CMakeLists.txt).
#pragma once

#include <span>

#include "wafer_backend/base/built_in_files.h"

namespace waferline {

// Sorted by folder, then by name.
std::span<const BuiltInFile> BuiltInTexts();

}  // namespace waferline
