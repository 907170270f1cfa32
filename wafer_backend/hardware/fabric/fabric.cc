#include "wafer_backend/hardware/fabric/fabric.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/check.h"

namespace waferline::fabric {
namespace {

constexpr int32_t kNever = std::numeric_limits<int32_t>::max();
constexpr Port kLinks[] = {kNorth, kEast, kSouth, kWest};

Port Opposite(Port port) {
  switch (port) {
    case kNorth:
      return kSouth;
    case kSouth:
      return kNorth;
    case kEast:
      return kWest;
    case kWest:
      return kEast;
    case kRamp:
      break;
  }
  return kRamp;
}

}  // namespace

absl::StatusOr<Fabric> Fabric::Create(const FabricSize& size) {
  const auto check = [](const char* name, int value, int max) {
    if (value >= 1 && value <= max) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("fabric: ", name, " is ", value, ", must lie in [1, ", max, "]"));
  };
  if (absl::Status s = check("columns", size.columns, 1024); !s.ok()) return s;
  if (absl::Status s = check("rows", size.rows, 1024); !s.ok()) return s;
  if (absl::Status s = check("ramp_cycles", size.ramp_cycles, kRampRoom - 3); !s.ok()) return s;
  const int64_t max = MaxWords(size.columns, size.rows);
  if (absl::Status s = check("words", size.words, static_cast<int>(max)); !s.ok()) return s;
  return Fabric(size);
}

Fabric::Fabric(const FabricSize& size) : size_(size) {
  const size_t tiles = static_cast<size_t>(size.columns) * static_cast<size_t>(size.rows);
  channel_of_.assign(tiles * kColours, -1);
  memory_.assign(tiles * static_cast<size_t>(size.words), 0);
  cores_.resize(tiles);
  busy_ports_.assign(tiles, 0);
  busy_cycle_.assign(tiles, -1);
}

std::span<uint32_t> Fabric::memory(int tile) {
  const size_t words = static_cast<size_t>(size_.words);
  return {memory_.data() + static_cast<size_t>(tile) * words, words};
}

std::span<const uint32_t> Fabric::memory(int tile) const {
  return const_cast<Fabric*>(this)->memory(tile);
}

int Fabric::Neighbour(int tile, Port port) const {
  const int column = tile % size_.columns, row = tile / size_.columns;
  if (port == kNorth) return row > 0 ? tile - size_.columns : -1;
  if (port == kSouth) return row + 1 < size_.rows ? tile + size_.columns : -1;
  if (port == kWest) return column > 0 ? tile - 1 : -1;
  return column + 1 < size_.columns ? tile + 1 : -1;
}

void Fabric::Route(int tile, int colour, uint8_t from, uint8_t to) {
  WL_CHECK(colour >= 0 && colour < kColours);
  int& index = channel_of_[static_cast<size_t>(tile) * kColours + static_cast<size_t>(colour)];
  if (index < 0) {
    index = static_cast<int>(channels_.size());
    channels_.emplace_back();
    channels_.back().tile = tile;
    colour_of_.push_back(colour);
  }
  Channel& channel = channels_[static_cast<size_t>(index)];
  channel.from |= from;
  channel.to |= to;
}

void Fabric::SetProgram(int tile, Program program) {
  cores_[static_cast<size_t>(tile)].program = std::move(program);
}

void Fabric::Wake(int channel) {
  Channel& c = channels_[static_cast<size_t>(channel)];
  if (c.listed) return;
  c.listed = true;
  active_.push_back(channel);
}

void Fabric::WakeCore(int tile) {
  Core& core = cores_[static_cast<size_t>(tile)];
  if (core.listed || !core.running) return;
  core.listed = true;
  awake_.push_back(tile);
}

// Moves the head of one of a channel's two inputs to all ports of its route, if all are free and
// have room where they lead.
template <int kRoom>
bool Fabric::MoveHead(int index, Queue<kRoom>* queue) {
  Channel& channel = channels_[static_cast<size_t>(index)];
  const Wavelet& head = queue->front();
  if (head.ready > now_) {
    next_ready_ = std::min(next_ready_, head.ready);
    return false;
  }
  const size_t tile = static_cast<size_t>(channel.tile);
  if (busy_cycle_[tile] != now_) {
    busy_cycle_[tile] = now_;
    busy_ports_[tile] = 0;
  }
  if (channel.to == 0 || (busy_ports_[tile] & channel.to) != 0) return false;
  if ((channel.to & kRamp) != 0 && channel.down.count >= size_.ramp_cycles + 3) return false;
  int next[4];
  int links = 0;
  for (const Port port : kLinks) {
    if ((channel.to & port) == 0) continue;
    const int neighbour = Neighbour(channel.tile, port);
    const int target =
        neighbour < 0 ? -1 : ChannelAt(neighbour, colour_of_[static_cast<size_t>(index)]);
    if (target < 0) return false;  // leads off the grid: nothing moves, and the run says so
    const Channel& there = channels_[static_cast<size_t>(target)];
    if ((there.from & Opposite(port)) == 0 || there.link.count + there.reserved >= kLinkRoom) {
      return false;
    }
    next[links++] = target;
  }
  busy_ports_[tile] |= channel.to;
  for (int i = 0; i < links; ++i) {
    ++channels_[static_cast<size_t>(next[i])].reserved;
    arrivals_.push_back({next[i], {head.value, head.index, now_ + 1}});
  }
  result_.wavelet_hops += links;
  if ((channel.to & kRamp) != 0) {
    channel.down.Push({head.value, head.index, now_ + size_.ramp_cycles});
    WakeCore(channel.tile);
  }
  queue->Pop();
  ++moved_;
  return true;
}

void Fabric::StepRouters() {
  // Channels that become active during this cycle hold nothing that is ready in it.
  const size_t count = active_.size();
  size_t kept = 0;
  for (size_t i = 0; i < count; ++i) {
    const int index = active_[i];
    Channel& channel = channels_[static_cast<size_t>(index)];
    // What is under way goes before what the core adds.
    if (channel.link.count > 0) MoveHead(index, &channel.link);
    if (channel.up.count > 0) {
      const bool was_full = channel.up.count >= size_.ramp_cycles + 3;
      if (MoveHead(index, &channel.up) && was_full) WakeCore(channel.tile);
    }
    channel.listed = channel.link.count > 0 || channel.up.count > 0;
    if (channel.listed) active_[kept++] = index;
  }
  active_.erase(active_.begin() + static_cast<std::ptrdiff_t>(kept),
                active_.begin() + static_cast<std::ptrdiff_t>(count));
  for (const Arrival& arrival : arrivals_) {
    Channel& channel = channels_[static_cast<size_t>(arrival.channel)];
    channel.link.Push(arrival.wavelet);
    --channel.reserved;
    Wake(arrival.channel);
  }
  arrivals_.clear();
}

void Fabric::StartStep(int tile) {
  Core& core = cores_[static_cast<size_t>(tile)];
  core.running = core.round < core.program.repeats && core.step < core.program.steps.size();
  if (!core.running) return;
  core.done.assign(core.program.steps[core.step].size(), 0);
  core.step_began = now_ + 1;
}

namespace {

// Where in the core's memory an operation's word `index` lies; a program that leaves it is a bug.
size_t WordOf(const Operation& op, uint32_t index, size_t words) {
  const int64_t at = int64_t{op.offset} + index;
  WL_CHECK(at >= 0 && at < static_cast<int64_t>(words));
  return static_cast<size_t>(at);
}

}  // namespace

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

absl::StatusOr<RunResult> Fabric::Run(int32_t max_cycles) {
  result_ = RunResult{};
  now_ = 0;
  unfinished_ = 0;
  for (int tile = 0; tile < static_cast<int>(cores_.size()); ++tile) {
    Core& core = cores_[static_cast<size_t>(tile)];
    core.step = 0;
    core.round = 0;
    StartStep(tile);
    core.step_began = 0;
    unfinished_ += core.running;
    WakeCore(tile);
  }
  while (unfinished_ > 0) {
    if (now_ >= max_cycles) {
      return absl::ResourceExhaustedError(absl::StrCat("not done after ", now_, " cycles"));
    }
    moved_ = 0;
    next_ready_ = kNever;
    StepRouters();
    StepCores();
    if (moved_ > 0) {
      ++now_;
    } else if (next_ready_ != kNever) {
      now_ = next_ready_;
    } else if (unfinished_ > 0) {
      return absl::FailedPreconditionError(
          absl::StrCat("nothing moves after cycle ", now_, " and ", unfinished_,
                       " core(s) have not finished: a deadlock or a missing route"));
    }
  }
  result_.cycles = now_;
  return result_;
}

int64_t Fabric::InFlight() const {
  int64_t count = 0;
  for (const Channel& c : channels_) count += c.link.count + c.up.count + c.down.count;
  return count;
}

}  // namespace waferline::fabric
