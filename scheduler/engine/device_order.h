// The devices of a lane that may be chosen, ordered by a key, the smallest first; of equal ones the
// smaller index. Owner: a pool. Thread: the engine's. Cost: O(log devices) a change, and nothing is
// allocated where a device only moves. Bound: the lane's devices.
#pragma once

#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "scheduler/engine/indices.h"

namespace waferline::engine {

template <typename Key>
class DeviceOrder {
 public:
  using Entry = std::pair<Key, DeviceIndex>;

  // nullopt: it may not be chosen.
  void Set(DeviceIndex device, std::optional<Key> key) {
    if (device.value >= places_.size()) places_.resize(device.value + 1);
    Place& place = places_[device.value];
    if (!place) {
      if (key) place = entries_.emplace(*key, device).first;
    } else if (!key) {
      entries_.erase(*place);
      place.reset();
    } else if ((*place)->first != *key) {
      auto node = entries_.extract(*place);
      node.value().first = *key;
      place = entries_.insert(std::move(node)).position;
    }
  }
  std::optional<Key> KeyOf(DeviceIndex device) const {
    if (device.value >= places_.size() || !places_[device.value]) return std::nullopt;
    return (*places_[device.value])->first;
  }

  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }

 private:
  std::set<Entry> entries_;
  using Place = std::optional<typename std::set<Entry>::iterator>;
  std::vector<Place> places_;  // by device
};

}  // namespace waferline::engine
