// Debian's absl::string_view is a class of its own; this is the one place where std's turns into
// it.
#pragma once

#include <string>
#include <string_view>

#include "absl/strings/string_view.h"

namespace waferline {

// The view lives as long as what `text` points to.
inline absl::string_view Absl(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view Std(absl::string_view text) { return {text.data(), text.size()}; }

}  // namespace waferline
