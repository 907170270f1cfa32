// A span as it is exported: one operation with its host times. A value.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"

namespace waferline::trace {

using AttributeValue = std::variant<std::string, int64_t, std::vector<std::string>>;

struct Span {
  enum class Kind : uint8_t { kInternal, kServer };
  std::string name;
  Kind kind = Kind::kInternal;
  std::string trace_id;   // hex, as in trace_context.h
  std::string span_id;    // hex
  std::string parent_id;  // hex; "" for a root
  std::string state;      // tracestate
  int64_t begin_unix_ns = 0;
  int64_t end_unix_ns = 0;
  std::vector<std::pair<std::string, AttributeValue>> attributes;
  absl::Status status;
};

// Takes spans and never waits. Any thread.
class SpanSink {
 public:
  virtual ~SpanSink() = default;
  virtual void Add(std::vector<Span> spans) = 0;
};

}  // namespace waferline::trace
