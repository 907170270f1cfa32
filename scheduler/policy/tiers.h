// Which of two tiers of decode units a request waits for: the fast one (wafers) or the slow one
// (GPUs), behind one model name. Stateless: what is known of the request in, a tier out. O(1).
#pragma once

#include <cstdint>
#include <optional>

#include "scheduler/policy/admission.h"
#include "wafer_backend/base/units.h"

namespace waferline::policy {

// Who of `default` and `auto` gets the fast tier. `priority` paid for it and always does; `flex`
// goes to the slow one.
enum class TierRule : uint8_t {
  kAll,          // all of them
  kPaid,         // only `priority`
  kDeadline,     // who is expected to miss its deadline on the slow tier
  kShortAnswer,  // who asks for at most `output_tokens`
  kLongAnswer,   // who asks for more than `output_tokens`: there speed saves most time
  kCached,       // whose prompt is in a fast unit's cache, to at least `cached_share`
  kShare,        // as many as keep the fast tier's part of all answers' tokens at most `share`
};

struct TierSettings {
  TierRule rule = TierRule::kAll;
  int64_t output_tokens = 256;
  double cached_share = 0.5;
  double share = 0.1;
  bool flex_prefers_slow = true;  // false: flex is treated like default
  // Who finds no room in its own tier takes room in the other one if there is some now; else it
  // waits for its own, unless no unit of that is alive.
  bool default_spills = true;  // default and auto, to the slow tier
  bool priority_spills = false;
  bool slow_spills = false;  // who is for the slow tier, to the fast one
};

struct TierView {
  QueueClass queue_class = QueueClass::kDefault;
  std::optional<Nanoseconds> deadline;  // after its arrival
  Nanoseconds expected_on_slow;         // from its arrival to its last token; kDeadline only
  int64_t prompt_tokens = 0;
  int64_t output_tokens = 0;  // asked for
  int64_t cached_tokens = 0;  // of the prompt, on the fast unit that has most of it; kCached only
  // Answers' tokens so far, generated or promised, on the fast tier and on both.
  int64_t fast_tokens = 0, all_tokens = 0;
};

struct TierChoice {
  UnitTier tier = UnitTier::kFast;
  bool spills = false;
  bool Allows(UnitTier of_unit) const { return spills || of_unit == tier; }
};
inline constexpr TierChoice kAnyTier{UnitTier::kFast, true};

TierChoice ChooseTier(const TierSettings& settings, const TierView& view);

}  // namespace waferline::policy
