#include "scheduler/policy/admission.h"

#include <algorithm>

namespace waferline::policy {
namespace {

// A retry that comes at once finds the same queue: one that helps waits for part of it to be gone.
constexpr Nanoseconds kMinRetry = Milliseconds(1);
// An operator ends a drain or the loss of every device, so no retry time can be estimated from the
// queue.
constexpr Nanoseconds kOperatorRetry = Seconds(5);

AdmissionDecision Refuse(RefusalCause cause, Nanoseconds retry_after) {
  return {.admit = false, .cause = cause, .retry_after = retry_after};
}

}  // namespace

QueueClass ClassOf(ServiceTier tier) {
  switch (tier) {
    case ServiceTier::kPriority:
      return QueueClass::kPriority;
    case ServiceTier::kFlex:
      return QueueClass::kFlex;
    case ServiceTier::kAuto:
    case ServiceTier::kDefault:
      break;
  }
  return QueueClass::kDefault;
}

AdmissionDecision DecideAdmission(const AdmissionSettings& settings, const AdmissionSnapshot& s) {
  if (s.draining) return Refuse(RefusalCause::kDraining, kOperatorRetry);
  if (!s.fits_some_unit) return Refuse(RefusalCause::kNeverFits, Nanoseconds());
  if (!s.device_alive) return Refuse(RefusalCause::kNoDevice, kOperatorRetry);
  const auto c = static_cast<size_t>(s.queue_class);
  if (s.waiting[c] >= settings.max_waiting[c]) {
    // Room for one appears when the first of the full queue leaves it.
    const Nanoseconds each = s.expected_queue / std::max<int64_t>(1, s.waiting[c]);
    return Refuse(RefusalCause::kQueueFull, std::max(kMinRetry, each));
  }
  if (s.queue_threshold && s.expected_queue > *s.queue_threshold) {
    return Refuse(RefusalCause::kQueueThreshold,
                  std::max(kMinRetry, s.expected_queue - *s.queue_threshold));
  }
  if (s.deadline && settings.refuse_missed_deadlines) {
    const Nanoseconds late = s.expected_queue + s.expected_service - *s.deadline;
    if (late > Nanoseconds()) {
      // With an empty queue it would still be late: a retry does not help.
      const bool hopeless = s.expected_service > *s.deadline;
      return Refuse(RefusalCause::kWouldMissDeadline,
                    hopeless ? Nanoseconds() : std::max(kMinRetry, late));
    }
  }
  return {};
}

}  // namespace waferline::policy
