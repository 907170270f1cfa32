// What the routers do in a cycle: each moves what is ready, if there is room where it leads.
#include <algorithm>

#include "wafer_backend/hardware/fabric/fabric.h"

namespace waferline::fabric {
namespace {

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

}  // namespace waferline::fabric
