// Whole files, read and written at once. Any thread; blocks on the disk.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace waferline {

// NotFound if there is no such file, InvalidArgument for a folder, Unavailable if reading fails;
// the message names the path and the reason.
absl::StatusOr<std::string> ReadFile(const std::string& path);
// Replaces the file. Unavailable if it cannot be written whole (a full disk, no permission).
absl::Status WriteFile(const std::string& path, std::string_view text);

}  // namespace waferline
