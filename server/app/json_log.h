// The log as lines of JSON on stderr (waferd --log json), one object a line:
//
//   {"ts":"2026-11-29T11:20:25.123456Z","level":"info","event":"request","cell":"demo","epoch":9,
//    "request_id":"...","trace_id":"...","tenant":"...","model":"...","endpoint":"/v1/completions",
//    "host_us":1530,"finish":"stop","prompt_tokens":7,"cached_tokens":0,"generated_tokens":32,
//    "emulated_us":9120}
//
// Other events: "refused" (with the status's code in place of what came out), "remark" (what
// RemarkLog prints), "left_out" (how many lines did not fit). No line has text of a prompt, of an
// answer, or of a refusal's message, which may quote the request.
//
// Owner: the front ends; outlives their sessions. Thread: any; a thread of its own writes. Bounds:
// kMaxQueued lines wait, what is more is counted.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/metrics/exposition.h"
#include "server/serving/request_session.h"
#include "wafer_backend/base/mutex.h"

namespace waferline::app {

// From now on RemarkLog prints JSON, too. To be called before other threads begin.
void LogAsJson();
bool LogsAsJson();

// Lines of JSON if the log is JSON, in which each names the cell; else nothing.
std::unique_ptr<serving::RequestLog> OpenRequestLog(
    const std::optional<metrics::CellFigures>& cell);

// With the time of now; `fields` follow it.
std::string JsonLogLine(std::string_view level, std::string_view event,
                        const boost::json::object& fields);

class JsonLog final : public serving::RequestLog {
 public:
  static constexpr size_t kMaxQueued = 4096;

  explicit JsonLog(boost::json::object common);  // fields of every line
  ~JsonLog() override;                           // writes what waits
  JsonLog(const JsonLog&) = delete;
  JsonLog& operator=(const JsonLog&) = delete;

  void OnEnd(const serving::SessionSubject& subject, const Outcome& outcome,
             Nanoseconds lasted) override;
  void OnRefused(const serving::SessionSubject& subject, const absl::Status& why,
                 Nanoseconds lasted) override;

 private:
  boost::json::object About(const serving::SessionSubject& subject, Nanoseconds lasted) const;
  void Add(std::string line);
  void Run();

  const boost::json::object common_;
  Mutex mutex_;
  CondVar changed_;
  std::vector<std::string> queue_ ABSL_GUARDED_BY(mutex_);
  int64_t left_out_ ABSL_GUARDED_BY(mutex_) = 0;
  bool ends_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace waferline::app
