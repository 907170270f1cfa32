// The beats under way in one pipeline, by the instant at which they leave; equal instants in order
// of insertion. A sorted ring: a new beat nearly always leaves last, and otherwise overtakes at
// most as many as the pipeline holds at once, so insertion is O(1) for tokens of equal latency and
// O(depth) at worst, whatever the number of sequences behind it. A beat cannot be taken back: it
// carries its slot's generation and is dropped when that has changed. Grows to the most beats ever
// under way (bound: the unit's seats plus those of ended sequences still in the pipeline).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace waferline::engine {

class BeatAgenda {
 public:
  struct Beat {
    int64_t leaves_ns;
    uint32_t slot;
    uint32_t generation;
  };

  BeatAgenda() : ring_(64) {}

  bool empty() const { return head_ == tail_; }
  size_t size() const { return tail_ - head_; }
  const Beat& front() const { return ring_[head_ & mask_]; }
  void PopFront() { ++head_; }

  void Insert(const Beat& beat) {
    if (size() == ring_.size()) Grow();
    size_t hole = tail_++;
    while (hole != head_ && ring_[(hole - 1) & mask_].leaves_ns > beat.leaves_ns) {
      ring_[hole & mask_] = ring_[(hole - 1) & mask_];
      --hole;
    }
    ring_[hole & mask_] = beat;
  }

 private:
  void Grow() {
    std::vector<Beat> larger(ring_.size() * 2);
    for (size_t i = head_; i != tail_; ++i) larger[i & (larger.size() - 1)] = ring_[i & mask_];
    ring_.swap(larger);
    mask_ = ring_.size() - 1;
  }

  std::vector<Beat> ring_;  // size is a power of two
  size_t mask_ = 63;
  size_t head_ = 0;
  size_t tail_ = 0;
};

}  // namespace waferline::engine
