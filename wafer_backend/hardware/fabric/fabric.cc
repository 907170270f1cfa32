// The grid, what is set up on it, and the loop over its cycles. What routers do in a cycle is in
// fabric_routers.cc, what cores do in fabric_cores.cc.
#include "wafer_backend/hardware/fabric/fabric.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/check.h"

namespace waferline::fabric {
namespace {

constexpr int32_t kNever = std::numeric_limits<int32_t>::max();

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
  channel_of_.assign(tiles * kColours, kNone);
  memory_.assign(tiles * static_cast<size_t>(size.words), 0);
  programs_.resize(tiles);
  cores_.resize(tiles);
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
    colour_of_.push_back(static_cast<uint8_t>(colour));
  }
  Channel& channel = channels_[static_cast<size_t>(index)];
  channel.from |= from;
  channel.to |= to;
}

void Fabric::SetProgram(int tile, Program program) {
  programs_[static_cast<size_t>(tile)] = std::move(program);
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

// Looks up where every channel leads, once for all its wavelets.
void Fabric::LinkChannels() {
  constexpr std::pair<Port, Port> kWays[] = {
      {kNorth, kSouth}, {kEast, kWest}, {kSouth, kNorth}, {kWest, kEast}};
  ramps_.clear();
  for (size_t i = 0; i < channels_.size(); ++i) {
    Channel& channel = channels_[i];
    channel.links = 0;
    channel.link_head = channel.link_count = channel.reserved = 0;
    channel.listed = false;
    for (const auto& [port, opposite] : kWays) {
      if ((channel.to & port) == 0) continue;
      const int neighbour = Neighbour(channel.tile, port);
      const int target = neighbour < 0 ? kNone : ChannelAt(neighbour, colour_of_[i]);
      const bool open =
          target >= 0 && (channels_[static_cast<size_t>(target)].from & opposite) != 0;
      if (!open) {
        channel.next[0] = kBlocked;
        channel.links = 1;
        break;
      }
      channel.next[channel.links++] = target;
    }
    if (channel.to == 0) channel.next[0] = kBlocked, channel.links = 1;
    const auto ramp = [&](bool there) {
      if (!there) return kNone;
      ramps_.emplace_back();
      return static_cast<int>(ramps_.size()) - 1;
    };
    channel.up = ramp((channel.from & kRamp) != 0);
    channel.down = ramp((channel.to & kRamp) != 0);
  }
}

// Every core at its begin, with room for its longest step.
void Fabric::AllotTasks() {
  size_t tasks = 0;
  for (size_t tile = 0; tile < cores_.size(); ++tile) {
    cores_[tile] = Core{.first_task = tasks};
    size_t longest = 0;
    for (const auto& step : programs_[tile].steps) longest = std::max(longest, step.size());
    tasks += longest;
  }
  tasks_.assign(tasks, Task());
}

absl::StatusOr<RunResult> Fabric::Run(int32_t max_cycles) {
  result_ = RunResult{};
  now_ = 0;
  unfinished_ = 0;
  LinkChannels();
  busy_.assign(cores_.size(), Busy());
  active_.clear();
  awake_.clear();
  AllotTasks();
  for (int tile = 0; tile < static_cast<int>(cores_.size()); ++tile) {
    Core& core = cores_[static_cast<size_t>(tile)];
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
  for (const Channel& channel : channels_) count += channel.link_count;
  for (const RampQueue& ramp : ramps_) count += ramp.count;
  return count;
}

}  // namespace waferline::fabric
