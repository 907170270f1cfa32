// Server-sent events (WHATWG HTML, "Server-sent events", event stream interpretation): bytes in as
// they arrive, data of whole events out. Sans I/O; one stream, one thread. Comments, ids and event
// names are skipped. Bound: kMaxEventBytes for what is kept of an event that is not complete.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace waferline::sdk {

class SseParser {
 public:
  static constexpr size_t kMaxEventBytes = 4 << 20;

  // Calls `on_data` for each event that `bytes` completes. ResourceExhausted if one gets too long.
  absl::Status Feed(std::string_view bytes, const std::function<void(std::string_view)>& on_data);

 private:
  void Line(std::string_view line, const std::function<void(std::string_view)>& on_data);

  std::string line_;  // begun, not ended
  std::string data_;  // of the event so far, each line with a newline
  bool after_cr_ = false;
  bool first_line_ = true;  // a byte-order mark may come before it
};

}  // namespace waferline::sdk
