// The grid, what is set up on it, and the loop over its cycles. What routers do in a cycle is in
// fabric_routers.cc, what cores do in fabric_cores.cc.
#include "wafer_backend/hardware/fabric/fabric.h"

#include <algorithm>
#include <limits>

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
