#include "server/serving/memory_gate.h"

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/retry_hint.h"

namespace waferline::serving {
namespace {
constexpr Nanoseconds kEvery = Milliseconds(50);
constexpr Nanoseconds kTrimEvery = Seconds(1);
constexpr Nanoseconds kRetryAfter = Seconds(1);
}  // namespace

absl::Status MemoryGate::Check() {
  if (!host_.used) return absl::OkStatus();
  const Nanoseconds now = host_.now();
  int64_t next = next_ns_.load(std::memory_order_relaxed);
  // One of those that find it due measures.
  if (now.count() >= next && next_ns_.compare_exchange_strong(next, (now + kEvery).count())) {
    Measure(now);
  }
  const int64_t used = used_.load(std::memory_order_relaxed);
  if (used < limit_.count()) return absl::OkStatus();
  return WithRetryAfter(absl::UnavailableError(absl::StrCat(
                            "the server's memory is used up: ", used >> 20, " MiB of ",
                            limit_.count() >> 20, " (limits.memory_bytes); try again later")),
                        kRetryAfter);
}

// An allocator keeps what was released: before anyone is refused it has to give that back.
void MemoryGate::Measure(Nanoseconds now) {
  Bytes used = host_.used();
  if (used >= limit_ && now.count() >= trimmed_ns_.load() + kTrimEvery.count()) {
    trimmed_ns_ = now.count();
    host_.trim();
    used = host_.used();
  }
  used_ = used.count();
}

}  // namespace waferline::serving
