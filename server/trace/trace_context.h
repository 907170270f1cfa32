// W3C Trace Context (Recommendation, level 1): which trace a request belongs to, as headers carry
// it. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace waferline::trace {

struct TraceContext {
  std::string trace_id;  // 32 lower-case hex digits, not all 0
  std::string span_id;   // 16 of them: of the span that a callee's spans are children of
  bool sampled = false;
  std::string state;  // tracestate, "" if there is none
};

// Section 3.2: version-traceid-parentid-flags; later versions may append "-...".
bool IsTraceparent(std::string_view value);

// nullopt: no traceparent, or one that is not valid (it is ignored, with its tracestate). A
// tracestate that is not valid (section 3.3: at most 32 members, 512 bytes here) is dropped alone.
std::optional<TraceContext> ReadTraceContext(std::string_view traceparent,
                                             std::string_view tracestate);
// In version 00.
std::string TraceparentOf(const TraceContext& context);

}  // namespace waferline::trace
