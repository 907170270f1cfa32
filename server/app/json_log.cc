#include "server/app/json_log.h"

#include <cstdio>
#include <utility>

#include "absl/time/time.h"
#include "server/runtime/host.h"
#include "server/trace/request_trace.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/strings.h"

namespace waferline::app {
namespace {

bool as_json = false;

constexpr int64_t kNanosecondsAMicrosecond = 1000;

}  // namespace

void LogAsJson() { as_json = true; }
bool LogsAsJson() { return as_json; }

std::unique_ptr<serving::RequestLog> OpenRequestLog(
    const std::optional<metrics::CellFigures>& cell) {
  if (!LogsAsJson()) return std::make_unique<serving::RequestLog>();
  boost::json::object common;
  if (cell) common = {{"cell", cell->cell}, {"epoch", cell->epoch}};
  return std::make_unique<JsonLog>(std::move(common));
}

std::string JsonLogLine(std::string_view level, std::string_view event,
                        const boost::json::object& fields) {
  const absl::Time now = absl::FromUnixMicros(runtime::UnixMicroseconds());
  boost::json::object line;
  line["ts"] = absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", now, absl::UTCTimeZone());
  line["level"] = boost::json::string_view(level.data(), level.size());
  line["event"] = boost::json::string_view(event.data(), event.size());
  for (const auto& field : fields) line[field.key()] = field.value();
  return JsonText(line) + "\n";
}

JsonLog::JsonLog(boost::json::object common)
    : common_(std::move(common)), thread_([this] { Run(); }) {}

JsonLog::~JsonLog() {
  {
    MutexLock lock(&mutex_);
    ends_ = true;
  }
  changed_.NotifyAll();
  thread_.join();
}

boost::json::object JsonLog::About(const serving::SessionSubject& subject,
                                   Nanoseconds lasted) const {
  boost::json::object fields = common_;
  fields["request_id"] = subject.request_id;
  if (subject.trace) fields["trace_id"] = subject.trace->context.trace_id;
  fields["tenant"] = subject.caller.tenant;
  fields["model"] = subject.model;
  fields["endpoint"] = subject.endpoint;
  fields["host_us"] = lasted.count() / kNanosecondsAMicrosecond;
  return fields;
}

void JsonLog::OnEnd(const serving::SessionSubject& subject, const Outcome& outcome,
                    Nanoseconds lasted) {
  boost::json::object fields = About(subject, lasted);
  fields["finish"] = trace::FinishName(outcome.reason);
  fields["prompt_tokens"] = outcome.prompt_tokens;
  fields["cached_tokens"] = outcome.cached_tokens;
  fields["generated_tokens"] = outcome.generated_tokens;
  fields["emulated_us"] = outcome.times.total().count() / kNanosecondsAMicrosecond;
  const bool failed = outcome.reason == FinishReason::kFailed;
  if (failed) fields["code"] = absl::StatusCodeToString(outcome.status.code());
  Add(JsonLogLine(failed ? "error" : "info", "request", fields));
}

void JsonLog::OnRefused(const serving::SessionSubject& subject, const absl::Status& why,
                        Nanoseconds lasted) {
  boost::json::object fields = About(subject, lasted);
  fields["code"] = absl::StatusCodeToString(why.code());
  Add(JsonLogLine("warning", "refused", fields));
}

void JsonLog::Add(std::string line) {
  {
    MutexLock lock(&mutex_);
    if (queue_.size() >= kMaxQueued) {
      ++left_out_;
      return;
    }
    queue_.push_back(std::move(line));
  }
  changed_.NotifyAll();
}

void JsonLog::Run() {
  for (bool last = false; !last;) {
    std::vector<std::string> lines;
    int64_t left_out = 0;
    {
      MutexLock lock(&mutex_);
      changed_.Wait(&mutex_,
                    [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return ends_ || !queue_.empty(); });
      last = ends_;
      lines.swap(queue_);
      left_out = std::exchange(left_out_, 0);
    }
    if (left_out > 0) {
      boost::json::object fields = common_;
      fields["lines"] = left_out;
      lines.push_back(JsonLogLine("warning", "left_out", fields));
    }
    for (const std::string& line : lines) fputs(line.c_str(), stderr);
  }
}

}  // namespace waferline::app
