// A running hash over everything that was decided and emitted: equal schedules have equal digests.
//
// Owner: EngineContext. Thread: the engine's. Cost: a few multiplications a decision, nothing is
// kept.
#pragma once

#include <cstdint>
#include <variant>

#include "scheduler/engine/indices.h"
#include "wafer_backend/base/timeline.h"

namespace waferline::engine {

class DecisionLog {
 public:
  enum class Kind : uint8_t { kAdmit, kRefuse, kStart, kResident, kToken, kOutcome, kRestart };
  // Where a prompt is computed.
  using Device = std::variant<WorkerIndex, UnitIndex>;

  explicit DecisionLog(const Timeline* timeline) : timeline_(timeline) {}

  // `detail`: what distinguishes decisions of one kind, such as a token's index.
  void Record(Kind kind, uint64_t ordinal, uint64_t detail) {
    digest_ = Mixed(digest_, WordOf(kind, ordinal, detail));
  }
  // The same as Record for each of `count` tokens from `index` on.
  void RecordTokens(uint64_t ordinal, uint64_t index, uint32_t count) {
    uint64_t word = WordOf(Kind::kToken, ordinal, index);
    uint64_t digest = digest_;
    for (; count > 0; --count, word += 1 << kDetailShift) digest = Mixed(digest, word);
    digest_ = digest;
  }
  void RecordStart(uint64_t ordinal, Device device) {
    // Only here a unit's number has a bit that no worker's has: a digest is a function of numbers.
    constexpr uint64_t kUnit = 1u << 20;
    const auto* unit = std::get_if<UnitIndex>(&device);
    Record(Kind::kStart, ordinal,
           unit != nullptr ? unit->value | kUnit : std::get<WorkerIndex>(device).value);
  }

  uint64_t digest() const { return digest_; }
  Nanoseconds last_decision() const { return last_decision_; }

 private:
  static constexpr int kDetailShift = 8;

  uint64_t WordOf(Kind kind, uint64_t ordinal, uint64_t detail) {
    last_decision_ = timeline_->now();
    return static_cast<uint64_t>(last_decision_.count()) * 0x9e3779b97f4a7c15ull +
           ordinal * 0xbf58476d1ce4e5b9ull + (detail << kDetailShift) + static_cast<uint64_t>(kind);
  }
  static uint64_t Mixed(uint64_t digest, uint64_t word) {
    digest = (digest ^ word) * 0x94d049bb133111ebull;
    return digest ^ (digest >> 29);
  }

  const Timeline* const timeline_;
  Nanoseconds last_decision_;
  uint64_t digest_ = 0x243f6a8885a308d3ull;
};

}  // namespace waferline::engine
