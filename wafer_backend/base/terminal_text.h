// Text of others (a server's, a file's) as a terminal may get it. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace waferline {

// `text` with U+FFFD for every control character but tab and line feed: those of ASCII and, as
// UTF-8, U+0080 to U+009F. Nothing that is left moves the cursor, or begins an escape sequence.
std::string TerminalText(std::string_view text);

}  // namespace waferline
