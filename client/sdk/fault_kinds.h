// What faults are called: the values of v1::FaultKind in snake_case, as every other interface of a
// server calls them. Pure functions, any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/waferline/v1/operator.pb.h"

namespace waferline::sdk {

// "unit_slow" of FAULT_KIND_UNIT_SLOW.
std::string FaultKindName(v1::FaultKind kind);
std::vector<std::string> FaultKindNames();

// '-' is accepted for '_'. InvalidArgument lists the names.
absl::StatusOr<v1::FaultKind> ParseFaultKind(std::string_view name);

}  // namespace waferline::sdk
