// Reads hardware files. Every number carries its mark and source, unknown fields are refused, and
// all faults of a file are reported at once with line and field.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/hardware/silicon/hardware.h"

namespace waferline::silicon {

// `name` (a path, say) goes before each error. InvalidArgument with a line per fault.
absl::StatusOr<Hardware> ParseHardware(const std::string& name, std::string_view yaml);

// A built-in machine by its name ("wse-3": deploy/hardware/wse-3.yaml as it was at build time) or,
// if `name_or_path` holds a slash or ends in .yaml, that file, whose `name` must be the file's.
// NotFound names the known machines.
absl::StatusOr<Hardware> LoadHardware(const std::string& name_or_path);

// The built-in machines, in the order of their names.
std::vector<std::string> BuiltInHardware();

}  // namespace waferline::silicon
