// A failure that knows which field of a request it is about, whichever code finds it and whatever
// protocol the request came by. Pure functions, any thread.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace waferline {

// Of a status: a short name of the failure that clients compare, such as insufficient_quota.
inline constexpr char kErrorCodePayload[] = "waferline/code";

// `status` with the name of the field ("sampling.top_p"); must not be OK.
absl::Status WithField(absl::Status status, std::string_view field);

// "" if not known.
std::string FieldOf(const absl::Status& status);

}  // namespace waferline
