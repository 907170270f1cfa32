// The JSON files of a model's folder. Reads the disk; any thread.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace waferline::model {

// InvalidArgument with the position of the error, or saying that it is not an object.
absl::StatusOr<boost::json::object> ParseJsonObject(std::string_view text);

// The same of a file of at most 256 MB (a vocabulary of a million tokens has some 50), with the
// path in the message; errors of ReadFile.
absl::StatusOr<boost::json::object> ReadJsonObject(const std::string& path);

}  // namespace waferline::model
