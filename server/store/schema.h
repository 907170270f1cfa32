// The tables, as steps from each version to the next. A step that was released is never edited; a
// change is a new step at the end. Money is two columns: whole microdollars, and picodollars below
// one of them, in [0, 10^6).
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "server/store/connection.h"

namespace waferline::store {

// The version that this program reads and writes.
int64_t SchemaVersion();

// Runs the steps that are missing, in one transaction. FailedPrecondition: the database has a
// version that this program does not know. Servers that start together wait for each other.
absl::Status Migrate(Connection& connection);

// For a program that only reads. FailedPrecondition: the database has another version.
absl::Status RequireVersion(Connection& connection);

}  // namespace waferline::store
