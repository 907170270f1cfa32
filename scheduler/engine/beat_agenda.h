// The beats under way, of all pipelines, by the instant at which they leave; equal instants in the
// order of insertion. A beat cannot be taken back: it names its sequence and is
// dropped when that has ended or restarted.
//
// Cost: O(1) a beat, amortised, however many are under way. Those that leave next lie sorted in a
// ring: a new beat nearly always leaves last, so that a few of them need nothing else. Of many,
// what leaves later lies unsorted, in the order of insertion, in steps of time that hold about
// kInAStep beats each; a step is sorted into the ring when its time comes. The steps are laid
// again, as wide as the beats then under way want them, when all of them are through (a ladder
// queue: Tang, Goh, Thng, ACM TOMACS 15(3), 2005, with one rung). Where more than a step's share
// leave within one, those are sorted by comparison. Bound: the running slots of all units plus the
// beats of ended sequences that are still in a pipeline; memory grows to the most ever under way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "scheduler/engine/indices.h"

namespace waferline::engine {

class BeatAgenda {
 public:
  struct Beat {
    int64_t leaves_ns = 0;
    SequenceRef sequence;
  };

  BeatAgenda() : ring_(2 * kFew) {}

  bool empty() const { return head_ == tail_; }
  size_t size() const { return tail_ - head_ + in_steps_ + later_.size(); }
  const Beat& front() const { return ring_[head_ & mask_]; }
  void PopFront() {
    if (++head_ == tail_ && ring_until_ns_ != kForever) Refill();
  }

  // By its parts: a Beat that is read whole just after its parts were written waits until they have
  // reached the cache.
  void Insert(int64_t leaves_ns, SequenceRef sequence) {
    if (leaves_ns >= ring_until_ns_) return InsertLater({leaves_ns, sequence});
    if (tail_ - head_ >= kFew) return InsertIntoMany(leaves_ns, sequence);
    InsertIntoRing(leaves_ns, sequence);
  }

 private:
  static constexpr size_t kFew = 64;  // sorted by insertion alone
  static constexpr size_t kInAStep = 4;
  static constexpr int64_t kForever = std::numeric_limits<int64_t>::max();

  // It has room.
  void InsertIntoRing(int64_t leaves_ns, SequenceRef sequence) {
    size_t hole = tail_++;
    while (hole != head_ && ring_[(hole - 1) & mask_].leaves_ns > leaves_ns) {
      ring_[hole & mask_] = ring_[(hole - 1) & mask_];
      --hole;
    }
    ring_[hole & mask_] = {leaves_ns, sequence};
  }
  void InsertLater(const Beat& beat) {
    if (beat.leaves_ns >= steps_until_ns_) return later_.push_back(beat);
    steps_[static_cast<size_t>(beat.leaves_ns - steps_from_ns_) >> step_bits_].push_back(beat);
    ++in_steps_;
  }
  void InsertIntoMany(int64_t leaves_ns, SequenceRef sequence);
  void MakeRoomInRing();
  void KeepHalf();
  void Refill();
  void LaySteps();

  // All that leave before ring_until_ns_ (kForever: all there are) lie in the ring, which is empty
  // only if nothing is under way.
  std::vector<Beat> ring_;  // size is a power of two
  size_t mask_ = 2 * kFew - 1;
  size_t head_ = 0;
  size_t tail_ = 0;
  int64_t ring_until_ns_ = kForever;
  // Step s: from steps_from_ns_ + (s << step_bits_) on. Those before next_step_ are empty.
  std::vector<std::vector<Beat>> steps_;
  int step_bits_ = 0;
  size_t next_step_ = 0;
  size_t in_steps_ = 0;
  int64_t steps_from_ns_ = 0;
  int64_t steps_until_ns_ = 0;
  // What leaves after the last step.
  std::vector<Beat> later_;
};

}  // namespace waferline::engine
