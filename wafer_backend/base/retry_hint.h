// A failure that knows when trying again may help, whichever code finds it and whatever protocol
// the request came by. Pure functions, any thread.
#pragma once

#include <optional>

#include "absl/status/status.h"
#include "wafer_backend/base/units.h"

namespace waferline {

// `status` must not be OK.
absl::Status WithRetryAfter(absl::Status status, Nanoseconds after);

// Nothing if the failure does not say.
std::optional<Nanoseconds> RetryAfterOf(const absl::Status& status);

}  // namespace waferline
