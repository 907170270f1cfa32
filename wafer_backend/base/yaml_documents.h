// How many documents a YAML text holds. Inner part of yaml_form.h; any thread.
#pragma once

#include <optional>
#include <string>

namespace waferline {

// The line at which a second document begins. Throws yaml-cpp's exceptions, as its parser does.
std::optional<int> SecondDocument(const std::string& text);

}  // namespace waferline
