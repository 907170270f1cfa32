// The row of a line's answer, written once. Work as batch_tables.h says.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "server/batches/batch_tables.h"

namespace waferline::batches {

// Writes it if the batch is still the server's and the line has none: true, also when it is written
// again. False: the line's row is another server's.
absl::StatusOr<bool> KeepRow(store::Connection& connection, const Key& batch, int64_t server,
                             const LineResult& result);

}  // namespace waferline::batches
