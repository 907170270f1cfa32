// Typed indices of the engine's arrays, so that a worker's number cannot name a unit or a slot.
// Values; all are dense and count from 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "wafer_backend/base/ids.h"

namespace waferline::engine {

using LaneIndex = Id<struct LaneIndexKind, uint32_t>;
using WorkerIndex = Id<struct WorkerIndexKind, uint32_t>;  // over the workers of all lanes
using UnitIndex = Id<struct UnitIndexKind, uint32_t>;      // over the units of all lanes
using DeviceIndex = Id<struct DeviceIndexKind, uint32_t>;  // a worker or unit, within its lane: as
                                                           // configurations and operators count
using SlotIndex = Id<struct SlotIndexKind, uint32_t>;      // a sequence's place in SequenceTable

// Names a sequence until its next restart or end; SequenceTable::IsCurrent says whether it still
// does.
struct SequenceRef {
  SlotIndex slot;
  uint32_t generation = 0;
  bool operator==(const SequenceRef&) const = default;
};

// A vector that only its own kind of index subscripts. Not checked: an index comes from Add.
template <typename Index, typename T>
class IndexedVector {
 public:
  IndexedVector() = default;
  explicit IndexedVector(size_t size) : values_(size) {}

  template <typename... Arguments>
  Index Add(Arguments&&... arguments) {
    values_.emplace_back(std::forward<Arguments>(arguments)...);
    return Index{static_cast<uint32_t>(values_.size() - 1)};
  }
  T& operator[](Index index) { return values_[index.value]; }
  const T& operator[](Index index) const { return values_[index.value]; }
  bool contains(Index index) const { return index.value < values_.size(); }
  size_t size() const { return values_.size(); }
  auto begin() { return values_.begin(); }
  auto end() { return values_.end(); }
  auto begin() const { return values_.begin(); }
  auto end() const { return values_.end(); }
  // `call` takes each index, in rising order.
  template <typename Call>
  void ForEachIndex(const Call& call) const {
    for (uint32_t i = 0; i < values_.size(); ++i) call(Index{i});
  }

 private:
  std::vector<T> values_;
};

}  // namespace waferline::engine
