// How many connections the process's file descriptors allow. Linux; any thread.
#pragma once

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace waferline::app {

// Raises the soft limit to the hard one. ResourceExhausted, with the numbers, if fewer than
// `needed` may be open.
absl::Status RequireDescriptors(size_t needed);

// For each of `ports` at most `wanted` connections, fewer if not enough descriptors are left next
// to those that are open now. ResourceExhausted if that is less than kMinConnections.
inline constexpr size_t kMinConnections = 8;
absl::StatusOr<size_t> ConnectionsOfEach(size_t ports, size_t wanted);

}  // namespace waferline::app
