#include "scheduler/fleet/profile_speculation.h"

#include <algorithm>
#include <cmath>

namespace waferline::fleet {
namespace {

constexpr int kMaxDraft = 16;

// Tokens of a pass: the model's own, and drafted ones up to the first that is refused.
double AcceptedOf(int drafted, double probability) {
  double accepted = 1, reached = 1;
  for (int i = 0; i < drafted; ++i) accepted += reached *= probability;
  return accepted;
}

double ProbabilityOf(int drafted, double accepted) {
  double low = 0, high = 1;
  for (int step = 0; step < 50; ++step) {
    const double middle = (low + high) / 2;
    (AcceptedOf(drafted, middle) < accepted ? low : high) = middle;
  }
  return high;
}

}  // namespace

engine::Speculation SpeculationOf(const timing::Profile& profile,
                                  const std::function<Nanoseconds(int)>& rows_take) {
  engine::Speculation out;
  const double accepted = profile.tokens_per_step.value;
  if (accepted <= 1) return out;
  // Twice as many as are accepted: longer drafts would hardly be accepted to their end.
  const int drafted = std::clamp(static_cast<int>(std::ceil(2 * accepted)), 1, kMaxDraft);
  out.acceptance.assign(static_cast<size_t>(drafted), ProbabilityOf(drafted, accepted));
  out.draft_time =
      std::max(Nanoseconds(0),
               Nanoseconds(std::llround(profile.draft_seconds.value * 1e9)) - rows_take(drafted));
  return out;
}

}  // namespace waferline::fleet
