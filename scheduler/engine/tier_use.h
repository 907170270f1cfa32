// Which tiers of decode units a lane has, and the tokens of answers that each has generated or
// promised to sequences in flight.
//
// Owner: the engine. Thread: the engine's. A sequence's promise (Sequence::promised) is with the
// tier that it waits for or is on (Sequence::tier), from when it waits to its end or restart.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <utility>

#include "scheduler/engine/lane.h"
#include "scheduler/engine/sequence.h"
#include "scheduler/request/service_tier.h"

namespace waferline::engine {

class TierUse {
 public:
  explicit TierUse(const LaneSpec& lane) {
    for (const DecodeUnitSpec& unit : lane.units) has_[Index(unit.tier)] = true;
  }

  bool has_both() const { return has_[0] && has_[1]; }
  // Of a lane that has units of one tier.
  UnitTier only() const { return has_[0] ? UnitTier::kFast : UnitTier::kSlow; }
  int64_t tokens(UnitTier tier) const { return generated_[Index(tier)] + promised_[Index(tier)]; }
  int64_t promised(UnitTier tier) const { return promised_[Index(tier)]; }

  // The sequence waits for `tier`, and `rest` tokens of its answer are not generated yet.
  void Promise(Sequence* s, UnitTier tier, uint32_t rest) {
    s->tier = tier;
    s->promised = rest;
    promised_[Index(tier)] += rest;
    SetServed(s);
  }
  // It is on a unit of `tier`.
  void MoveTo(Sequence* s, UnitTier tier) {
    promised_[Index(s->tier)] -= s->promised;
    s->tier = tier;
    promised_[Index(tier)] += s->promised;
    SetServed(s);
  }
  // It ends, or will wait again.
  void Settle(Sequence* s, uint32_t rest) {
    const uint32_t promised = std::exchange(s->promised, 0);
    promised_[Index(s->tier)] -= promised;
    generated_[Index(s->tier)] += promised - rest;
  }

 private:
  static size_t Index(UnitTier tier) { return static_cast<size_t>(tier); }
  void SetServed(Sequence* s) const {
    s->served = ServedTier(s->request.tier, has_both() ? std::optional(s->tier) : std::nullopt);
  }

  std::array<bool, kUnitTiers> has_{};
  std::array<int64_t, kUnitTiers> generated_{};
  std::array<int64_t, kUnitTiers> promised_{};
};

}  // namespace waferline::engine
