// What the cores do in a cycle: each operation of a core's step takes, adds or sends a word.
#include <algorithm>

#include "wafer_backend/base/check.h"
#include "wafer_backend/hardware/fabric/fabric.h"

namespace waferline::fabric {
namespace {

// Where in the core's memory an operation's word `index` lies; a program that leaves it is a bug.
size_t WordOf(int32_t offset, uint32_t index, size_t words) {
  const int64_t at = int64_t{offset} + index;
  WL_CHECK(at >= 0 && at < static_cast<int64_t>(words));
  return static_cast<size_t>(at);
}

}  // namespace

void Fabric::StartStep(int tile) {
  Core& core = cores_[static_cast<size_t>(tile)];
  const Program& program = programs_[static_cast<size_t>(tile)];
  core.running = core.round < program.repeats && core.step < program.steps.size();
  if (!core.running) return;
  const std::vector<Operation>& step = program.steps[core.step];
  core.tasks = step.size();
  Task* task = tasks_.data() + core.first_task;
  for (const Operation& op : step) {
    *task = {.kind = op.kind, .offset = op.offset, .length = op.length};
    if (task->takes()) task->in = ChannelAt(tile, op.in);
    if (task->gives()) task->out = ChannelAt(tile, op.out);
    ++task;
  }
  core.step_began = now_ + 1;
}

// One operation for one cycle; true if it did something.
bool Fabric::Advance(int tile, Task* task, bool* ramp_used) {
  using Kind = Operation::Kind;
  if (task->done >= task->length) return false;
  if (task->kind == Kind::kCompute) {
    // Nothing to simulate in between: a grid that only computes is skipped to its end.
    const int32_t last = cores_[static_cast<size_t>(tile)].step_began + task->length - 1;
    if (now_ < last) {
      next_ready_ = std::min(next_ready_, last);
      return false;
    }
    task->done = task->length;
    return true;
  }
  const bool takes = task->takes(), gives = task->gives();
  RampQueue* in = nullptr;
  RampQueue* out = nullptr;
  if (takes) {
    if (task->in == kNone || channels_[static_cast<size_t>(task->in)].down == kNone) return false;
    in = &ramps_[static_cast<size_t>(channels_[static_cast<size_t>(task->in)].down)];
  }
  if (gives) {
    if (*ramp_used || task->out == kNone) return false;
    const int up = channels_[static_cast<size_t>(task->out)].up;
    if (up == kNone) return false;
    out = &ramps_[static_cast<size_t>(up)];
    if (out->count >= size_.ramp_cycles + 3) return false;
  }
  const std::span<uint32_t> words = memory(tile);
  uint32_t index = static_cast<uint32_t>(task->done);
  if (takes) {
    if (in->count == 0) return false;
    if (in->ready[in->head] > now_) {
      next_ready_ = std::min(next_ready_, in->ready[in->head]);
      return false;
    }
    const Wavelet wavelet = in->ring[in->head];
    in->Pop();
    ++result_.wavelets_taken;
    index = wavelet.index;
    const bool adds = task->kind == Kind::kAdd || task->kind == Kind::kAddAndSend;
    uint32_t& word = words[WordOf(task->offset, index, words.size())];
    word = adds ? word + wavelet.value : wavelet.value;
  }
  if (gives) {
    *ramp_used = true;
    // The operation itself takes the cycle, then the ramp.
    out->Push({words[WordOf(task->offset, index, words.size())], index},
              now_ + 1 + size_.ramp_cycles);
    ++result_.wavelets_sent;
    Wake(task->out);
  }
  ++task->done;
  return true;
}

// True while the core should be looked at again in the next cycle.
bool Fabric::StepCore(int tile) {
  Core& core = cores_[static_cast<size_t>(tile)];
  Task* const first = tasks_.data() + core.first_task;
  bool acted = false, ramp_used = false, finished = true, waiting = false;
  for (Task* task = first; task != first + core.tasks; ++task) {
    acted |= Advance(tile, task, &ramp_used);
    if (task->done >= task->length) continue;
    finished = false;
    if (task->kind == Operation::Kind::kSend) continue;
    if (task->kind == Operation::Kind::kCompute) {
      waiting = true;
      continue;
    }
    // Something not yet ready sits in its queue: no arrival will wake the core for it.
    if (task->in == kNone) continue;
    const int down = channels_[static_cast<size_t>(task->in)].down;
    waiting |= down != kNone && ramps_[static_cast<size_t>(down)].count > 0;
  }
  moved_ += acted;
  if (finished) {
    if (++core.step == programs_[static_cast<size_t>(tile)].steps.size()) {
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
