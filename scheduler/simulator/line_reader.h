// One line of a trace at a time, for the formats of trace_reader.h.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "scheduler/simulator/trace.h"
#include "scheduler/simulator/trace_reader.h"

namespace waferline::simulator {

class LineReader {
 public:
  virtual ~LineReader() = default;
  // Adds the line's request to `trace` (arrival as the line says it, not yet relative). On an error
  // (its message names the field) nothing is added.
  virtual absl::Status Read(std::string_view line, Trace* trace) = 0;
  // The header, for formats that have one.
  virtual bool has_header() const { return false; }
  virtual absl::Status ReadHeader(std::string_view line) { return absl::OkStatus(); }
};

inline constexpr double kMaxUnixSeconds = 4.1e9;  // the year 2099

// Nanoseconds of the unit in which `stamp` is a time between 2001 and 2099: seconds, milliseconds,
// microseconds or nanoseconds since 1970. 0: in none.
inline int64_t UnixUnitNs(double stamp) {
  for (int64_t unit = 1'000'000'000; unit > 0; unit /= 1000) {
    const double seconds = stamp * (static_cast<double>(unit) / 1e9);
    if (seconds >= 1e9 && seconds <= kMaxUnixSeconds) return unit;
  }
  return 0;
}

std::unique_ptr<LineReader> MooncakeReader(uint32_t block_tokens);
std::unique_ptr<LineReader> JsonlReader(uint32_t block_tokens);
std::unique_ptr<LineReader> AzureReader();

}  // namespace waferline::simulator
