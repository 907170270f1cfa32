// What a program prints as its result. Keeps why the first failed write failed, which stdio
// forgets: the next call of the system takes errno's place. One thread at a time.
#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace waferline::cli {

// At most buffered; what goes wrong is what FlushStdout says.
void WriteStdout(std::string_view text);

// Sends what is buffered. UNAVAILABLE: this or an earlier write failed, and why: "cannot write to
// stdout: No space left on device".
absl::Status FlushStdout();

}  // namespace waferline::cli
