#include "scheduler/policy/preemption.h"

#include <tuple>

namespace waferline::policy {

std::optional<size_t> ChooseVictim(std::span<const VictimView> running, int32_t priority) {
  std::optional<size_t> best;
  for (size_t i = 0; i < running.size(); ++i) {
    const VictimView& victim = running[i];
    if (!victim.may_be_preempted || !victim.gives_enough || victim.priority <= priority) continue;
    if (!best || std::tie(victim.priority, victim.ordinal) >
                     std::tie(running[*best].priority, running[*best].ordinal)) {
      best = i;
    }
  }
  return best;
}

}  // namespace waferline::policy
