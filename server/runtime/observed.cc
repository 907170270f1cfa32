#include "server/runtime/observed.h"

#include <algorithm>
#include <chrono>

namespace waferline::runtime {

int64_t WallNanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void Observed::OnAdmitted(const engine::SequenceNote& sequence) {
  if (arrival_.size() <= sequence.slot) arrival_.resize(sequence.slot + 1);
  arrival_[sequence.slot] = {sequence.arrival, submitted_wall_ns_};
  if (next_ != nullptr) next_->OnAdmitted(sequence);
}

void Observed::OnToken(const engine::TokenNote& token) {
  if (next_ != nullptr) next_->OnToken(token);
  if (lateness_ == nullptr || scale_ <= 0) return;
  const Arrival& arrival = arrival_[token.slot];
  const double since_ns = (token.at - arrival.instant).as_double() / scale_;
  const int64_t late_ns = WallNanoseconds() - arrival.wall_ns - static_cast<int64_t>(since_ns);
  lateness_->OnTokenLateness(token.lane, Nanoseconds(std::max<int64_t>(0, late_ns)));
}

}  // namespace waferline::runtime
