#include "server/runtime/lateness_meter.h"

#include <algorithm>

#include "server/runtime/host.h"

namespace waferline::runtime {

void LatenessMeter::OnAdmitted(const engine::SequenceInfo& sequence) {
  if (!scale_) return;
  const uint32_t slot = sequence.slot.value;
  if (arrivals_.size() <= slot) arrivals_.resize(slot + 1);
  arrivals_[slot] = {sequence.arrival, submitted_wall_ns_};
}

void LatenessMeter::OnToken(const engine::TokenInfo& token) {
  if (!scale_) return;
  const Arrival& arrival = arrivals_[token.slot.value];
  const double since_ns = (token.at - arrival.instant).as_double() / *scale_;
  const int64_t late_ns = WallNanoseconds() - arrival.wall_ns - static_cast<int64_t>(since_ns);
  observer_->OnTokenLateness(token, Nanoseconds(std::max<int64_t>(0, late_ns)));
}

}  // namespace waferline::runtime
