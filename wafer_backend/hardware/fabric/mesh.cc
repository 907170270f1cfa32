#include "wafer_backend/hardware/fabric/mesh.h"

#include <algorithm>
#include <bit>
#include <tuple>
#include <utility>

namespace waferline::fabric {
namespace {

// By side: the port, the neighbour's row and block, and where a tile's neighbour lies in bits.
constexpr std::array<Port, kSides> kPorts = {kNorth, kEast, kSouth, kWest};
constexpr std::array<int, kSides> kRowsOn = {-1, 0, 1, 0};
constexpr std::array<int, kSides> kBlocksOn = {0, 1, 0, -1};
constexpr std::array<Shift, kSides> kShifts = {Shift{0}, Shift{1}, Shift{0}, Shift{-1}};
constexpr size_t Opposite(size_t side) { return (side + 2) % kSides; }

}  // namespace

Mesh::Mesh(Fabric* of)
    : programs(of->programs_.data()),
      columns(of->columns()),
      rows(of->rows()),
      words(of->size_.words),
      ramp_cycles(of->ramp_cycles()),
      ramp_room(ramp_cycles + 3),
      row_blocks((columns + kBlockTiles - 1) / kBlockTiles),
      memory(of->memory_.data()),
      memory_stride(static_cast<int64_t>(of->stride_)) {
  for (auto& bits : active) bits.resize(static_cast<size_t>(rows));
  blocks.resize(static_cast<size_t>(rows * row_blocks));
  for (int i = 0; i < rows * row_blocks; ++i) {
    Block& block = blocks[static_cast<size_t>(i)];
    block.row = i / row_blocks;
    block.column = i % row_blocks;
    block.tiles = std::min(kBlockTiles, columns - block.column * kBlockTiles);
    block.first_tile = block.row * columns + block.column * kBlockTiles;
  }
  const std::vector<LanePorts> from = AddLanes(*of);
  AddLinks(from);
  AddRamps(from);
  AddGroups();
}

// Returns from where each lane's wavelets come.
std::vector<Mesh::LanePorts> Mesh::AddLanes(const Fabric& fabric) {
  std::vector<LanePorts> all_from;
  for (Block& block : blocks) {
    block.first_lane = static_cast<int32_t>(lanes.size());
    block.lane_of.fill(kNone);
    for (int colour = 0; colour < kColours; ++colour) {
      Lane lane;
      LanePorts from = {};
      for (int i = 0; i < block.tiles; ++i) {
        const Fabric::Ports route =
            fabric.routes_[static_cast<size_t>((block.first_tile + i) * kColours + colour)];
        for (size_t port = 0; port < from.size(); ++port) {
          from[port] |= Tiles{(route.from >> port) & 1u} << i;
          lane.to[port] |= Tiles{(route.to >> port) & 1u} << i;
        }
        if (route.to != 0) lane.open |= Tiles{1} << i;
      }
      if (from == LanePorts{} && lane.open == 0) continue;
      for (int i = block.first_lane; i < static_cast<int>(lanes.size()); ++i) {
        for (size_t port = 0; port < from.size(); ++port) {
          block.shares_ports |= (lanes[static_cast<size_t>(i)].to[port] & lane.to[port]) != 0;
        }
      }
      lanes.push_back(lane);
      all_from.push_back(from);
      block.lane_of[static_cast<size_t>(colour)] = static_cast<int8_t>(block.lanes++);
    }
  }
  return all_from;
}

// The lane of a colour in the block on that side, kNone without one.
int Mesh::LaneOn(const Block& block, int colour, size_t side) const {
  const int row = block.row + kRowsOn[side], column = block.column + kBlocksOn[side];
  if (row < 0 || row >= rows || column < 0 || column >= row_blocks) return kNone;
  const Block& there = blocks[static_cast<size_t>(row * row_blocks + column)];
  const int lane = there.lane_of[static_cast<size_t>(colour)];
  return lane == kNone ? kNone : there.first_lane + lane;
}

void Mesh::AddLinks(const std::vector<LanePorts>& from) {
  size_t ins = 0, outs = 0;
  for (size_t lane = 0; lane < lanes.size(); ++lane) {
    for (size_t side = 0; side < kSides; ++side) {
      ins += from[lane][side] != 0;
      outs += lanes[lane].to[side] != 0;
    }
  }
  inlets.resize(ins);
  outlets.resize(outs);
  Inlet* inlet = inlets.data();
  Outlet* outlet = outlets.data();
  for (Block& block : blocks) {
    for (int i = block.first_lane; i < block.first_lane + block.lanes; ++i) {
      Lane& lane = lanes[static_cast<size_t>(i)];
      for (size_t side = 0; side < kSides; ++side) {
        const auto join = [&](auto* link) {
          link->block = &block;
          link->lane = 1u << (i - block.first_lane);
          return link;
        };
        if (from[static_cast<size_t>(i)][side] != 0) lane.in[side] = join(inlet++);
        if (lane.to[side] != 0) lane.out[side] = join(outlet++);
      }
    }
  }
  for (const Block& block : blocks) {
    for (int colour = 0; colour < kColours; ++colour) {
      if (block.lane_of[static_cast<size_t>(colour)] == kNone) continue;
      for (size_t side = 0; side < kSides; ++side) JoinLinks(block, colour, side, from);
    }
  }
}

// What leads from a lane to one side, and what comes from there.
void Mesh::JoinLinks(const Block& block, int colour, size_t side,
                     const std::vector<LanePorts>& from) {
  const int number = block.first_lane + block.lane_of[static_cast<size_t>(colour)];
  Lane& lane = lanes[static_cast<size_t>(number)];
  const Shift shift = kShifts[side];
  const int on = LaneOn(block, colour, side);
  // To the north and south the neighbour row's lane, else this one and the one on that side.
  const int same = shift.by == 0 ? on : number, next = shift.by == 0 ? kNone : on;
  const auto lane_at = [&](int at) {
    return at == kNone ? nullptr : &lanes[static_cast<size_t>(at)];
  };
  if (Inlet* const in = lane.in[side]) {
    in->back = shift;
    if (const Lane* begin = lane_at(same)) in->begin = begin->out[Opposite(side)];
    if (const Lane* begin = lane_at(next)) in->begin_next = begin->out[Opposite(side)];
  }
  Outlet* const out = lane.out[side];
  if (out == nullptr) return;
  out->on = shift;
  const auto taking = [&](int at) {
    return at == kNone ? 0 : from[static_cast<size_t>(at)][Opposite(side)];
  };
  // Back from the neighbours' bits to their senders'.
  const Shift back{-shift.by};
  const Tiles taken = back.Same(taking(same)) | (shift.by > 0   ? taking(next) << 63
                                                 : shift.by < 0 ? taking(next) >> 63
                                                                : 0);
  lane.open &= ~lane.to[side] | taken;
  out->room.Add(lane.to[side]);
  out->room.Add(lane.to[side]);
  if (const Lane* end = lane_at(same)) out->end = end->in[Opposite(side)];
  if (const Lane* end = lane_at(next)) out->end_next = end->in[Opposite(side)];
}

void Mesh::AddRamps(const std::vector<LanePorts>& from) {
  size_t count = 0, ring_count = 0;
  for (size_t i = 0; i < lanes.size(); ++i) {
    for (const Tiles tiles : {from[i][kSides], lanes[i].to[kSides]}) {
      count += tiles != 0;
      ring_count += static_cast<size_t>(std::popcount(tiles));
    }
  }
  ramps.resize(count);
  rings.resize(ring_count);
  Ramp* ramp = ramps.data();
  RampRing* next = rings.data();
  const auto add = [&](Tiles tiles) -> Ramp* {
    if (tiles == 0) return nullptr;
    ramp->tiles = tiles;
    for (int room = 0; room < ramp_room; ++room) ramp->room.Add(tiles);
    uint8_t place = 0;
    ForEachTile(tiles, [&](uint32_t at) { ramp->place[at] = place++; });
    ramp->rings = next;
    next += place;
    return ramp++;
  };
  for (size_t i = 0; i < lanes.size(); ++i) {
    lanes[i].up = add(from[i][kSides]);
    lanes[i].down = add(lanes[i].to[kSides]);
  }
}

void Mesh::AddGroups() {
  cores.resize(static_cast<size_t>(columns) * static_cast<size_t>(rows));
  for (Block& block : blocks) {
    block.first_group = static_cast<int32_t>(groups.size());
    for (int i = 0; i < block.tiles; ++i) {
      for (const ProgramStep& step : programs[block.first_tile + i].steps) {
        for (size_t number = 0; number < step.size(); ++number) {
          const std::optional<OperationGroup::Key> key = GroupOf(block, step, number);
          if (!key.has_value() || FindGroup(block, *key) != nullptr) continue;
          groups.push_back({.key = *key});
          ++block.groups;
        }
      }
    }
    // The order in which they have the ramp: that of their colours.
    std::stable_sort(groups.begin() + block.first_group, groups.end(),
                     [](const OperationGroup& a, const OperationGroup& b) {
                       return std::tie(a.key.out, a.key.in, a.key.number) <
                              std::tie(b.key.out, b.key.in, b.key.number);
                     });
  }
  progress.resize(groups.size());
}

std::optional<OperationGroup::Key> Mesh::GroupOf(const Block& block, const ProgramStep& step,
                                                 size_t number) {
  const Operation& op = step[number];
  if (op.kind == Operation::Kind::kCompute) return std::nullopt;
  OperationGroup::Key key = {.kind = op.kind};
  if (Takes(op.kind)) key.in = block.lane_of[op.in];
  if (Gives(op.kind)) key.out = block.lane_of[op.out];
  if (Takes(op.kind) != (key.in != kNone) || Gives(op.kind) != (key.out != kNone)) {
    return std::nullopt;
  }
  for (size_t i = 0; i < number; ++i) {
    const Operation& before = step[i];
    key.number += before.kind == op.kind && (!Takes(op.kind) || before.in == op.in) &&
                  (!Gives(op.kind) || before.out == op.out);
  }
  return key;
}

OperationGroup* Mesh::FindGroup(const Block& block, OperationGroup::Key key) {
  OperationGroup* group = groups.data() + block.first_group;
  for (int i = 0; i < block.groups; ++i, ++group) {
    if (group->key == key) return group;
  }
  return nullptr;
}

int64_t Mesh::InFlight() const {
  int64_t count = 0;
  for (const Inlet& in : inlets) {
    count += in.waiting.Sum() + std::popcount(in.arrived[0]) + std::popcount(in.arrived[1]);
  }
  for (const Ramp& ramp : ramps) {
    count += ramp_room * std::popcount(ramp.tiles) - ramp.room.Sum();
  }
  return count;
}

}  // namespace waferline::fabric
