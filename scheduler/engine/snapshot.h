// The engine at one instant, for gauges and operators. A value.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "scheduler/policy/admission.h"
#include "wafer_backend/api/devices.h"
#include "wafer_backend/base/units.h"

namespace waferline::engine {

struct StageOccupancy {
  Bytes capacity, weights, buffers, kv_used;
};

// What the parts of a unit of two sides did since the start, steps that have begun in full; by
// Side.
struct SideState {
  std::array<Nanoseconds, kSides> busy{};
  Bytes crossed;
  std::array<double, kSides> slowdown = {1, 1, 1};  // by faults, on top of the unit's
};

struct UnitSnapshot {
  std::string name;
  bool alive = true;
  bool reachable = true;  // false: a hand-off stood still on its link, no new request is sent there
  int running = 0;        // sequences that hold a slot, in transfer or decoding
  int max_running = 0;
  int64_t pages_used = 0;    // by sequences
  int64_t pages_cached = 0;  // by the prefix cache; given up when sequences need them
  int64_t pages_capacity = 0;
  std::vector<StageOccupancy> stages;
  Bytes link_backlog;
  double slowdown = 1;              // by faults: things take this many times as long
  std::vector<double> slow_stages;  // the same of each stage of a pipeline, on top; empty: none was
  double link_speed = 1;            // share of its bandwidth that the link has left
  // Emulated time since the start for which each stage of a pipeline worked; empty for batch
  // devices.
  std::vector<Nanoseconds> stage_busy;
  std::optional<SideState> sides;  // of a unit of two sides
  int64_t max_pages_used = 0;      // by sequences, since the start
  double page_nanoseconds = 0;     // the area under pages_used until now
  // For how long the sequences that have left it occupied it: what was charged to them.
  Nanoseconds charged;
};

struct WorkerSnapshot {
  std::string name;
  bool alive = true;
  bool stepping = false;
  double slowdown = 1;  // by faults
  int64_t pending_tokens = 0;
  int64_t cached_tokens = 0;
  Nanoseconds charged;  // as UnitSnapshot's
};

struct LaneSnapshot {
  std::string model;
  Nanoseconds now;  // of the lane's engine
  std::array<uint32_t, policy::kQueueClasses> waiting{};
  uint32_t prefilling = 0;
  uint32_t transferring = 0;
  uint32_t decoding = 0;  // parked ones included
  uint32_t parked = 0;    // of the decoding: their reader is full
  // That a new request would wait; nullopt: no device can serve it, admission refuses it.
  std::optional<Nanoseconds> expected_queue;
  std::vector<WorkerSnapshot> workers;
  std::vector<UnitSnapshot> units;
  uint32_t waiting_total() const { return waiting[0] + waiting[1] + waiting[2]; }
  double kv_usage() const {
    int64_t used = 0, capacity = 0;
    for (const UnitSnapshot& unit : units) {
      used += unit.pages_used;
      capacity += unit.pages_capacity;
    }
    return capacity > 0 ? static_cast<double>(used) / static_cast<double>(capacity) : 0.0;
  }
};

struct EngineSnapshot {
  Nanoseconds now;
  uint64_t accepted = 0;  // = finished + in_flight, always
  uint64_t finished = 0;
  uint64_t in_flight = 0;
  uint64_t refused = 0;
  uint64_t tokens = 0;
  uint64_t events = 0;  // of the timeline, beats included
  uint64_t digest = 0;
  Nanoseconds last_decision;  // when something was last decided or emitted
  bool blocked = false;
  bool draining = false;
  std::vector<LaneSnapshot> lanes;
};

// Several engines' snapshots as one, in their order: counts are sums, `now` and `last_decision` the
// latest; blocked if one is. The digest of one is its own, that of several hashes theirs.
EngineSnapshot Merged(std::vector<EngineSnapshot> engines);

// A digest as people and reports write it: 16 hexadecimal digits.
std::string DigestText(uint64_t digest);

}  // namespace waferline::engine
