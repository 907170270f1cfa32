// Changes fields of a YAML text by their paths, as --set does. Pure.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace waferline {

// A field by its path, "models.0.prefill.workers", and the YAML that replaces its value.
using Override = std::pair<std::string, std::string>;

// FIELD=VALUE, as a command line gives them. InvalidArgument: another form, or as CheckOverrides.
absl::StatusOr<std::vector<Override>> ParseOverrides(const std::vector<std::string>& assignments);
// InvalidArgument: a later one takes back an earlier one, because it is of the same field or of one
// that contains it.
absl::Status CheckOverrides(const std::vector<Override>& overrides);

// The text with fields replaced or added; comments are lost. InvalidArgument: a path through a
// value that has no fields, an index that is not there, no YAML.
absl::StatusOr<std::string> WithOverrides(std::string_view yaml,
                                          const std::vector<Override>& overrides);

// The errors of reading such a text as "name: field: what is wrong": its lines are not those of the
// file that the user has.
absl::Status WithoutLines(const absl::Status& status);

}  // namespace waferline
