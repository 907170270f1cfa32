// Errors in the names that a client used, for protocols whose requests are read into a chat's
// fields. Pure functions.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace waferline::openai {

// From a path of the chat's fields to the client's, the more specific before the more general.
using FieldNames = std::vector<std::pair<std::string, std::string>>;

// `status` with the field that it is about, and that field's name in its message, as the client
// calls it. OK stays OK.
absl::Status InNamesOf(const FieldNames& names, const absl::Status& status);

}  // namespace waferline::openai
