#include "server/trace/tracer.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace waferline::trace {

uint64_t Tracer::NextId() {
  const uint64_t id = ids_.At(next_.fetch_add(1, std::memory_order_relaxed));
  return id == 0 ? 1 : id;  // an id is not all zeros
}

std::string Tracer::NewSpanId() { return absl::StrCat(absl::Hex(NextId(), absl::kZeroPad16)); }

std::optional<Tracer::Started> Tracer::Start(const std::optional<TraceContext>& parent) {
  if (parent) {
    Started out{.context = *parent, .parent_id = parent->span_id};
    out.recorded = options_.sink != nullptr && parent->sampled;
    if (out.recorded) out.context.span_id = NewSpanId();
    return out;
  }
  if (options_.sink == nullptr) return std::nullopt;
  const uint64_t low = NextId();
  // The id's lower half is uniform, so its upper 53 bits decide.
  if (static_cast<double>(low >> 11) >= options_.ratio * 0x1p53) return std::nullopt;
  return Started{.context = {.trace_id = absl::StrCat(absl::Hex(NextId(), absl::kZeroPad16),
                                                      absl::Hex(low, absl::kZeroPad16)),
                             .span_id = NewSpanId(),
                             .sampled = true},
                 .recorded = true};
}

}  // namespace waferline::trace
