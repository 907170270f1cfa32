#include "scheduler/engine/beat_agenda.h"

#include <algorithm>
#include <array>
#include <bit>

namespace waferline::engine {
namespace {
constexpr size_t kSamples = 7;
}  // namespace

void BeatAgenda::MakeRoomInRing() {
  if (tail_ - head_ < ring_.size()) return;
  std::vector<Beat> larger(ring_.size() * 2);
  for (size_t i = head_; i != tail_; ++i) larger[i & (larger.size() - 1)] = ring_[i & mask_];
  ring_.swap(larger);
  mask_ = ring_.size() - 1;
}

void BeatAgenda::InsertIntoMany(int64_t leaves_ns, SequenceRef sequence) {
  MakeRoomInRing();
  InsertIntoRing(leaves_ns, sequence);
  if (ring_until_ns_ == kForever) KeepHalf();
}

// The ring has more than a few: its second half waits for its time. No step is laid yet.
void BeatAgenda::KeepHalf() {
  const size_t kept = head_ + kFew / 2;
  for (size_t i = kept; i != tail_; ++i) later_.push_back(ring_[i & mask_]);
  tail_ = kept;
  // One of that instant that is kept came before all that will.
  ring_until_ns_ = steps_until_ns_ = later_.front().leaves_ns;
}

// The ring is empty: the next step's beats, or if there are but a few left, those.
void BeatAgenda::Refill() {
  head_ = tail_ = 0;
  if (in_steps_ == 0) {
    if (later_.size() <= kFew / 2) {
      ring_until_ns_ = kForever;
      for (const Beat& beat : later_) InsertIntoRing(beat.leaves_ns, beat.sequence);
      later_.clear();
      return;
    }
    LaySteps();
  }
  while (steps_[next_step_].empty()) ++next_step_;
  std::vector<Beat>& step = steps_[next_step_++];
  if (step.size() > kFew) {
    std::stable_sort(step.begin(), step.end(),
                     [](const Beat& a, const Beat& b) { return a.leaves_ns < b.leaves_ns; });
  }
  for (const Beat& beat : step) {
    MakeRoomInRing();
    InsertIntoRing(beat.leaves_ns, beat.sequence);
  }
  in_steps_ -= step.size();
  step.clear();
  ring_until_ns_ = steps_from_ns_ + (static_cast<int64_t>(next_step_) << step_bits_);
}

// Twice as far as the median of what waits: one that leaves in a second does not stretch the steps
// of all that leave in a millisecond. At least about half is dealt out, so that what stays is
// looked at again at the cost of what goes.
void BeatAgenda::LaySteps() {
  int64_t first_ns = kForever;
  for (const Beat& beat : later_) first_ns = std::min(first_ns, beat.leaves_ns);
  std::array<int64_t, kSamples> sample;
  for (size_t i = 0; i < kSamples; ++i) {
    sample[i] = later_[i * later_.size() / kSamples].leaves_ns;
  }
  std::nth_element(sample.begin(), sample.begin() + kSamples / 2, sample.end());
  const auto span_ns = static_cast<uint64_t>(sample[kSamples / 2] - first_ns) * 2 + 1;
  const size_t count = std::bit_ceil(later_.size() / kInAStep + 1);
  if (steps_.size() < count) steps_.resize(count);
  step_bits_ = static_cast<int>(std::bit_width((span_ns - 1) / count));
  next_step_ = 0;
  steps_from_ns_ = first_ns;
  steps_until_ns_ = first_ns + (static_cast<int64_t>(count) << step_bits_);
  size_t stay = 0;
  for (const Beat& beat : later_) {
    if (beat.leaves_ns >= steps_until_ns_) {
      later_[stay++] = beat;
    } else {
      InsertLater(beat);
    }
  }
  later_.resize(stay);
}

}  // namespace waferline::engine
