// Lines for the operator, on stderr: "waferd: WHO: TEXT", or JSON (json_log.h). Control characters
// of the text, which may come from a peer, are replaced, and line ends too: a line is one line. Any
// thread; owner: the part that reports.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "wafer_backend/base/mutex.h"
#include "wafer_backend/base/units.h"

namespace waferline::app {

class RemarkLog {
 public:
  static constexpr int kMaxLinesPerSecond = 5;  // what is more is counted, and said with the next
  // A line that differs from all before by more than digits is still printed, this many times.
  static constexpr size_t kMaxKinds = 64;

  explicit RemarkLog(std::string who) : who_(std::move(who)) {}
  void Print(std::string_view text);

 private:
  bool FirstOfItsKind(std::string_view text) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string who_;
  Mutex mutex_;
  Nanoseconds second_ ABSL_GUARDED_BY(mutex_);  // began then
  int lines_ ABSL_GUARDED_BY(mutex_) = 0;       // within it
  uint64_t left_out_ ABSL_GUARDED_BY(mutex_) = 0;
  std::set<std::string> kinds_ ABSL_GUARDED_BY(mutex_);
};

// What gRPC logs (RpcOptions::on_log).
void PrintGrpcLog(std::string_view text);

// Sends what was printed to stdout. A reader that has gone away (`waferd | head`) is reported once
// on stderr, and what comes later is dropped: it is not a reason to stop serving.
void FlushPrinted();

}  // namespace waferline::app
