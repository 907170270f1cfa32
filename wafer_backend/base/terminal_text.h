// Text of others (a server's, a file's) as a terminal may get it. Pure; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace waferline {

// `text` with U+FFFD for every byte that is not UTF-8 and every control character but tab and line
// feed: those of ASCII and U+0080 to U+009F. Nothing that is left moves the cursor, or begins an
// escape sequence.
std::string TerminalText(std::string_view text);

// The same in one line, for logs: line feeds are spaces, and what is over `max_bytes` is cut.
std::string LogLine(std::string_view text, size_t max_bytes = 500);

// Ok, or InvalidArgument: "is not UTF-8 text: byte 7 is 0xff", counted from 0.
absl::Status CheckUtf8(std::string_view text);

}  // namespace waferline
