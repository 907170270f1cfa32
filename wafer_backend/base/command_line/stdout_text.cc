#include "wafer_backend/base/command_line/stdout_text.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace waferline::cli {
namespace {

int first_error = 0;  // as errno; 0: none, or not known

void Keep(bool done) {
  if (!done && first_error == 0) first_error = errno;
}

}  // namespace

void WriteStdout(std::string_view text) {
  errno = 0;
  Keep(fwrite(text.data(), 1, text.size(), stdout) == text.size());
}

absl::Status FlushStdout() {
  errno = 0;
  const bool flushed = fflush(stdout) == 0;
  Keep(flushed);
  if (flushed && first_error == 0 && ferror(stdout) == 0) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("cannot write to stdout", first_error == 0 ? "" : ": ",
                                             first_error == 0 ? "" : strerror(first_error)));
}

}  // namespace waferline::cli
