#include "scheduler/policy/preemption.h"

#include <tuple>

namespace waferline::policy {

int ChooseVictim(std::span<const VictimView> running, int32_t priority) {
  int best = -1;
  for (size_t i = 0; i < running.size(); ++i) {
    const VictimView& victim = running[i];
    if (!victim.may_be_preempted || !victim.gives_enough || victim.priority <= priority) continue;
    if (best < 0 || std::tie(victim.priority, victim.ordinal) >
                        std::tie(running[best].priority, running[best].ordinal)) {
      best = static_cast<int>(i);
    }
  }
  return best;
}

}  // namespace waferline::policy
