// What the cores do in a cycle: each operation of a core's step takes, adds or sends a word.
#include <algorithm>

#include "wafer_backend/base/check.h"
#include "wafer_backend/hardware/fabric/fabric.h"

namespace waferline::fabric {
namespace {

// Where in the core's memory an operation's word `index` lies; a program that leaves it is a bug.
size_t WordOf(const Operation& op, uint32_t index, size_t words) {
  const int64_t at = int64_t{op.offset} + index;
  WL_CHECK(at >= 0 && at < static_cast<int64_t>(words));
  return static_cast<size_t>(at);
}

}  // namespace

void Fabric::StartStep(int tile) {
  Core& core = cores_[static_cast<size_t>(tile)];
  core.running = core.round < core.program.repeats && core.step < core.program.steps.size();
  if (!core.running) return;
  core.done.assign(core.program.steps[core.step].size(), 0);
  core.step_began = now_ + 1;
}

// One operation for one cycle; true if it did something.
bool Fabric::Advance(int tile, const Operation& op, int32_t* done, bool* ramp_used) {
  using Kind = Operation::Kind;
  if (*done >= op.length) return false;
  if (op.kind == Kind::kCompute) {
    // Nothing to simulate in between: a grid that only computes is skipped to its end.
    const int32_t last = cores_[static_cast<size_t>(tile)].step_began + op.length - 1;
    if (now_ < last) {
      next_ready_ = std::min(next_ready_, last);
      return false;
    }
    *done = op.length;
    return true;
  }
  const bool takes = op.kind != Kind::kSend;
  const bool gives =
      op.kind == Kind::kSend || op.kind == Kind::kAddAndSend || op.kind == Kind::kReceiveAndSend;
  const int in = takes ? ChannelAt(tile, op.in) : -1, out = gives ? ChannelAt(tile, op.out) : -1;
  if ((takes && in < 0) || (gives && out < 0)) return false;
  if (gives) {
    const Channel& channel = channels_[static_cast<size_t>(out)];
    if (*ramp_used || (channel.from & kRamp) == 0) return false;
    if (channel.up.count >= size_.ramp_cycles + 3) return false;
  }
  const std::span<uint32_t> words = memory(tile);
  uint32_t index = static_cast<uint32_t>(*done);
  if (takes) {
    Queue<kRampRoom>& queue = channels_[static_cast<size_t>(in)].down;
    if (queue.count == 0) return false;
    if (queue.front().ready > now_) {
      next_ready_ = std::min(next_ready_, queue.front().ready);
      return false;
    }
    const Wavelet wavelet = queue.front();
    queue.Pop();
    ++result_.wavelets_taken;
    index = wavelet.index;
    const bool adds = op.kind == Kind::kAdd || op.kind == Kind::kAddAndSend;
    uint32_t& word = words[WordOf(op, index, words.size())];
    word = adds ? word + wavelet.value : wavelet.value;
  }
  if (gives) {
    *ramp_used = true;
    // The operation itself takes the cycle, then the ramp.
    channels_[static_cast<size_t>(out)].up.Push(
        {words[WordOf(op, index, words.size())], index, now_ + 1 + size_.ramp_cycles});
    ++result_.wavelets_sent;
    Wake(out);
  }
  ++*done;
  return true;
}

// True while the core should be looked at again in the next cycle.
bool Fabric::StepCore(int tile) {
  Core& core = cores_[static_cast<size_t>(tile)];
  const std::vector<Operation>& step = core.program.steps[core.step];
  bool acted = false, ramp_used = false, finished = true, waiting = false;
  for (size_t i = 0; i < step.size(); ++i) {
    acted |= Advance(tile, step[i], &core.done[i], &ramp_used);
    if (core.done[i] >= step[i].length) continue;
    finished = false;
    if (step[i].kind == Operation::Kind::kSend) continue;
    if (step[i].kind == Operation::Kind::kCompute) {
      waiting = true;
      continue;
    }
    // Something not yet ready sits in its queue: no arrival will wake the core for it.
    const int in = ChannelAt(tile, step[i].in);
    waiting |= in >= 0 && channels_[static_cast<size_t>(in)].down.count > 0;
  }
  moved_ += acted;
  if (finished) {
    if (++core.step == core.program.steps.size()) {
      core.step = 0;
      ++core.round;
    }
    StartStep(tile);
    if (!core.running) --unfinished_;
    return core.running;
  }
  return acted || waiting;
}

void Fabric::StepCores() {
  const size_t count = awake_.size();
  size_t kept = 0;
  for (size_t i = 0; i < count; ++i) {
    const int tile = awake_[i];
    Core& core = cores_[static_cast<size_t>(tile)];
    core.listed = core.running && StepCore(tile);
    if (core.listed) awake_[kept++] = tile;
  }
  awake_.erase(awake_.begin() + static_cast<std::ptrdiff_t>(kept),
               awake_.begin() + static_cast<std::ptrdiff_t>(count));
}

}  // namespace waferline::fabric
