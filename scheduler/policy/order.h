// Which of those waiting goes first. Stateless. The order within a queue is a key that does not
// change while a request waits (smaller first; ties by admission), so a heap can keep it.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>

#include "wafer_backend/base/units.h"

namespace waferline::policy {

enum class OrderRule : uint8_t {
  kArrival,   // first come, first served
  kPriority,  // smaller priority number first; ages, see below
  kDeadline,  // earliest deadline first (EDF); without a deadline after all that have one
};

struct OrderSettings {
  OrderRule rule = OrderRule::kArrival;
  // kPriority: a request that has waited this long is as good as one priority number better, so
  // none starves. Since all age alike, "priority - age / aging" orders as "priority * aging +
  // arrival".
  Nanoseconds aging = Seconds(10);
  // Between tenants first by the tokens that they were served (virtual token counters: Sheng et
  // al., "Fairness in Serving Large Language Models", OSDI 2024), then by the rule.
  bool fair_tenants = false;
};

struct QueueEntry {
  Nanoseconds arrival;
  int32_t priority = 0;
  std::optional<Nanoseconds> deadline;  // an instant
};

int64_t OrderKey(const OrderSettings& settings, const QueueEntry& entry);

// Charged to a tenant's counter when its request is taken for service: a prompt token 1, a token to
// be generated 2 (the weights of that paper's evaluation); what was not generated is refunded.
inline constexpr int64_t kPromptTokenCharge = 1;
inline constexpr int64_t kOutputTokenCharge = 2;

}  // namespace waferline::policy
