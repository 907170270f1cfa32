// Bodies that clients send compressed (RFC 1952). Pure; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace waferline::http {

// The bytes of a gzip file, of one or several members. InvalidArgument: it is not one, or cut off.
// OutOfRange: it unpacks to more than `max_bytes`; no more than that is ever unpacked.
absl::StatusOr<std::string> Gunzip(std::string_view packed, size_t max_bytes);

}  // namespace waferline::http
