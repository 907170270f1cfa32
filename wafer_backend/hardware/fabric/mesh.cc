#include "wafer_backend/hardware/fabric/mesh.h"

#include <algorithm>
#include <utility>

namespace waferline::fabric {
namespace {

constexpr std::array<Port, 4> kPorts = {kNorth, kEast, kSouth, kWest};
constexpr size_t Opposite(size_t port) { return (port + 2) % 4; }

}  // namespace

Mesh::Mesh(Fabric* of)
    : fabric(*of),
      programs(of->programs_.data()),
      columns(of->columns()),
      rows(of->rows()),
      words(of->size_.words),
      ramp_cycles(of->ramp_cycles()),
      ramp_room(ramp_cycles + 3),
      memory(of->memory_.data()),
      tiles(of->programs_.size() + 1),
      arrivals(of->programs_.size()),
      row_words((columns + 63) / 64) {
  for (auto& bits : active) bits.resize(static_cast<size_t>(rows) * static_cast<size_t>(row_words));
  AddChannels();
  AddLinks();
  AddTasks();
}

int Mesh::ChannelOf(int tile, int colour) const {
  const TileState* state = &tiles[static_cast<size_t>(tile)];
  for (int i = state[0].first_channel; i < state[1].first_channel; ++i) {
    if (colour_of[static_cast<size_t>(i)] == colour) return i;
  }
  return kNone;
}

// Channels in the order of tiles, with their ramps and the links that end at them.
void Mesh::AddChannels() {
  size_t count = 0, ramp_count = 0;
  for (const Fabric::Ports& route : fabric.routes_) {
    if ((route.from | route.to) == 0) continue;
    ++count;
    ramp_count += (route.from & kRamp) != 0;
    ramp_count += (route.to & kRamp) != 0;
  }
  channels.resize(count);
  colour_of.resize(count);
  const auto lines =
      static_cast<int32_t>((Ramp::Bytes(ramp_room) + sizeof(RampLine) - 1) / sizeof(RampLine));
  ramps.resize(ramp_count * static_cast<size_t>(lines) + 1);  // a Ramp may reach beyond its lines
  int32_t channel = 0, ramp = 0, link = 0;
  for (size_t tile = 0; tile + 1 < tiles.size(); ++tile) {
    tiles[tile].first_channel = channel;
    tiles[tile].first_link = link;
    for (int colour = 0; colour < kColours; ++colour) {
      const Fabric::Ports route = fabric.routes_[tile * kColours + static_cast<size_t>(colour)];
      if ((route.from | route.to) == 0) continue;
      Channel& c = channels[static_cast<size_t>(channel)];
      colour_of[static_cast<size_t>(channel++)] = static_cast<uint8_t>(colour);
      c.to = route.to;
      c.blocked = route.to == 0;
      c.first_in = link;
      for (const Port port : kPorts) c.ins += (route.from & port) != 0;
      link += c.ins;
      if ((route.from & kRamp) != 0) c.up = std::exchange(ramp, ramp + lines);
      if ((route.to & kRamp) != 0) c.down = std::exchange(ramp, ramp + lines);
    }
  }
  tiles.back().first_channel = channel;
  tiles.back().first_link = link;
  links.resize(static_cast<size_t>(link));
}

// Where every channel leads.
void Mesh::AddLinks() {
  for (int tile = 0; tile + 1 < static_cast<int>(tiles.size()); ++tile) {
    const int column = tile % columns, row = tile / columns;
    const std::array<int, 4> neighbour = {
        row > 0 ? tile - columns : kNone, column + 1 < columns ? tile + 1 : kNone,
        row + 1 < rows ? tile + columns : kNone, column > 0 ? tile - 1 : kNone};
    const int first = tiles[static_cast<size_t>(tile)].first_channel;
    for (int i = first; i < tiles[static_cast<size_t>(tile) + 1].first_channel; ++i) {
      Channel& c = channels[static_cast<size_t>(i)];
      const int colour = colour_of[static_cast<size_t>(i)];
      c.first_out = static_cast<int32_t>(outs.size());
      for (int in = 0; in < c.ins; ++in) {
        links[static_cast<size_t>(c.first_in + in)].channel = static_cast<uint16_t>(i - first);
      }
      for (size_t p = 0; p < kPorts.size(); ++p) {
        if ((c.to & kPorts[p]) == 0) continue;
        const int there = neighbour[p];
        const int target = there == kNone ? kNone : ChannelOf(there, colour);
        const uint8_t from =
            target == kNone
                ? uint8_t{0}
                : fabric
                      .routes_[static_cast<size_t>(there) * kColours + static_cast<size_t>(colour)]
                      .from;
        if ((from & kPorts[Opposite(p)]) == 0) {
          c.blocked = true;
          break;
        }
        int before = 0;  // links by lower ports
        for (size_t lower = 0; lower < Opposite(p); ++lower) before += (from & kPorts[lower]) != 0;
        const int link = channels[static_cast<size_t>(target)].first_in + before;
        outs.push_back(
            {link, there, static_cast<uint16_t>(Opposite(p)),
             static_cast<uint16_t>(link - tiles[static_cast<size_t>(there)].first_link)});
        ++c.out_count;
      }
    }
  }
}

// Room for each core's longest step.
void Mesh::AddTasks() {
  int32_t count = 0;
  for (size_t tile = 0; tile + 1 < tiles.size(); ++tile) {
    tiles[tile].first_task = count;
    size_t longest = 0;
    for (const ProgramStep& step : programs[tile].steps) {
      longest = std::max(longest, step.size());
    }
    count += static_cast<int32_t>(longest);
  }
  tasks.resize(static_cast<size_t>(count));
}

int64_t Mesh::InFlight() {
  int64_t count = 0;
  for (const Link& link : links) count += link.pushed - link.popped;
  for (const Channel& channel : channels) {
    if (channel.up != kNone) count += RampAt(channel.up).count;
    if (channel.down != kNone) count += RampAt(channel.down).count;
  }
  return count;
}

}  // namespace waferline::fabric
