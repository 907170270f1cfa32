// What the routers do in a cycle: each moves what is ready, if there is room where it leads.
#include <algorithm>

#include "wafer_backend/hardware/fabric/fabric.h"

namespace waferline::fabric {

// Moves a wavelet to all ports of the channel's route, if all are free and have room where they
// lead.
bool Fabric::Move(Channel* channel, const Wavelet& head) {
  Busy& busy = busy_[static_cast<size_t>(channel->tile)];
  if (busy.cycle != now_) busy = {now_, 0};
  if ((busy.ports & channel->to) != 0) return false;
  RampQueue* const down =
      channel->down == kNone ? nullptr : &ramps_[static_cast<size_t>(channel->down)];
  if (down != nullptr && down->count >= size_.ramp_cycles + 3) return false;
  for (int i = 0; i < channel->links; ++i) {
    if (channel->next[i] < 0) return false;  // nothing moves, and the run says so
    const Channel& there = channels_[static_cast<size_t>(channel->next[i])];
    if (there.link_count + there.reserved >= kLinkRoom) return false;
  }
  busy.ports |= channel->to;
  for (int i = 0; i < channel->links; ++i) {
    Channel& there = channels_[static_cast<size_t>(channel->next[i])];
    // Its place already; it counts from the end of the cycle on.
    there.link[(there.link_head + there.link_count + there.reserved++) % kLinkRoom] = head;
    arrivals_.push_back(channel->next[i]);
  }
  result_.wavelet_hops += channel->links;
  if (down != nullptr) {
    down->Push(head, now_ + size_.ramp_cycles);
    WakeCore(channel->tile);
  }
  ++moved_;
  return true;
}

// The same for what the core sent. True if that made room for the core again.
bool Fabric::MoveUp(Channel* channel) {
  RampQueue& up = ramps_[static_cast<size_t>(channel->up)];
  if (up.ready[up.head] > now_) {
    next_ready_ = std::min(next_ready_, up.ready[up.head]);
    return false;
  }
  const bool was_full = up.count >= size_.ramp_cycles + 3;
  if (!Move(channel, up.ring[up.head])) return false;
  up.Pop();
  return was_full;
}

void Fabric::StepRouters() {
  // Channels that become active during this cycle hold nothing that is ready in it.
  const size_t count = active_.size();
  size_t kept = 0;
  for (size_t i = 0; i < count; ++i) {
    const int index = active_[i];
    Channel& channel = channels_[static_cast<size_t>(index)];
    // What is under way goes before what the core adds.
    if (channel.link_count > 0 && Move(&channel, channel.link[channel.link_head])) {
      channel.link_head = (channel.link_head + 1) % kLinkRoom;
      --channel.link_count;
    }
    bool sends = false;
    if (channel.up != kNone && ramps_[static_cast<size_t>(channel.up)].count > 0) {
      if (MoveUp(&channel)) WakeCore(channel.tile);
      sends = ramps_[static_cast<size_t>(channel.up)].count > 0;
    }
    channel.listed = channel.link_count > 0 || sends;
    if (channel.listed) active_[kept++] = index;
  }
  active_.erase(active_.begin() + static_cast<std::ptrdiff_t>(kept),
                active_.begin() + static_cast<std::ptrdiff_t>(count));
  for (const int index : arrivals_) {
    Channel& channel = channels_[static_cast<size_t>(index)];
    ++channel.link_count;
    --channel.reserved;
    Wake(index);
  }
  arrivals_.clear();
}

}  // namespace waferline::fabric
