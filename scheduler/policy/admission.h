// Whether a request may wait at all. Stateless: a snapshot in, one decision out.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "scheduler/policy/refusal_cause.h"
#include "scheduler/request/valid_request.h"
#include "wafer_backend/base/units.h"

namespace waferline::policy {

// Queues are bounded by class.
enum class QueueClass : uint8_t { kPriority, kDefault, kFlex };
inline constexpr int kQueueClasses = 3;
// kAuto waits with kDefault.
QueueClass ClassOf(ServiceTier tier);

struct AdmissionSettings {
  std::array<uint32_t, kQueueClasses> max_waiting = {1024, 4096, 4096};
  bool refuse_missed_deadlines = true;
};

struct AdmissionSnapshot {
  QueueClass queue_class = QueueClass::kDefault;
  std::array<uint32_t, kQueueClasses> waiting{};
  bool draining = false;
  bool fits_some_unit = true;    // an empty unit, lost ones included, could hold it
  bool device_alive = true;      // a worker and a unit of the model are not lost
  Nanoseconds expected_queue;    // until its prefill would begin, from the work before it
  Nanoseconds expected_service;  // prefill, transfer and decode of all its tokens, undisturbed
  std::optional<Nanoseconds> deadline;
  std::optional<Nanoseconds> queue_threshold;
};

struct AdmissionDecision {
  bool admit = true;
  RefusalCause cause = RefusalCause::kQueueFull;
  Nanoseconds retry_after;  // 0: retrying does not help
};

AdmissionDecision DecideAdmission(const AdmissionSettings& settings,
                                  const AdmissionSnapshot& snapshot);

}  // namespace waferline::policy
