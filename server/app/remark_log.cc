#include "server/app/remark_log.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/app/json_log.h"
#include "server/openai/json_text.h"
#include "server/runtime/host.h"
#include "wafer_backend/base/terminal_text.h"

namespace waferline::app {

bool RemarkLog::FirstOfItsKind(std::string_view text) {
  if (kinds_.size() >= kMaxKinds) return false;
  std::string kind;
  for (const char c : text) {
    if (c < '0' || c > '9') kind += c;
  }
  return kinds_.insert(std::move(kind)).second;
}

void RemarkLog::Print(std::string_view text) {
  std::string line;
  {
    MutexLock lock(&mutex_);
    const Nanoseconds now = runtime::MonotonicNow();
    if (now - second_ >= Seconds(1)) {
      second_ = now;
      lines_ = 0;
    }
    const bool first = FirstOfItsKind(text);
    if (lines_++ >= kMaxLinesPerSecond && !first) {
      ++left_out_;
      return;
    }
    line = LogLine(text);
    if (left_out_ > 0) absl::StrAppend(&line, " (", left_out_, " remarks before it were left out)");
    left_out_ = 0;
  }
  if (LogsAsJson()) {
    fputs(JsonLogLine("info", "remark", {{"who", who_}, {"message", openai::ToUtf8(line)}}).c_str(),
          stderr);
  } else {
    fprintf(stderr, "waferd: %s: %s\n", who_.c_str(), line.c_str());
  }
}

void PrintGrpcLog(std::string_view text) {
  static RemarkLog* const log = new RemarkLog("gRPC");
  log->Print(text);
}

void FlushPrinted() {
  if (fflush(stdout) == 0) return;
  fprintf(stderr, "waferd: cannot write to stdout: %s; goes on without it\n", strerror(errno));
  if (freopen("/dev/null", "w", stdout) == nullptr) clearerr(stdout);
}

}  // namespace waferline::app
