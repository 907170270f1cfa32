// Runs a trace through the engine, offline: the clock is the agenda, the value source the trace's
// lengths. Everything that is decided live is decided here by the same code.
//
// Owner: client/cli or a test. Thread: one. Reads no clock. Memory: what is in flight plus the
// report; the trace is read once for every repetition.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "scheduler/engine/engine.h"
#include "scheduler/simulator/report.h"
#include "scheduler/simulator/trace.h"
#include "wafer_backend/base/timeline.h"

namespace waferline::simulator {

struct TimedFault {
  Nanoseconds at;  // since the start of the run
  engine::Fault fault;
};

struct ReplayOptions {
  double speed_up = 1;  // arrivals come this many times as densely
  uint32_t repeat = 1;  // the trace this many times, one after the other, each with new prompts
  uint64_t seed = 0;    // of the requests' random streams (speculation)
  std::string default_model;  // of requests that name none; "": the first lane's
  LatencyObjectives objectives;
  std::vector<TimedFault> faults;
  engine::EngineOptions engine;
  std::vector<engine::EngineObserver*> observers;  // besides the report's own; outlive the replay
};

// Power and price of a lane's devices, in the order of its LaneSpec; empty: unknown.
struct LanePower {
  std::vector<DevicePower> workers;
  std::vector<DevicePower> units;
};

class Replay {
 public:
  // `lanes` need no value source. Timeline, devices and trace must outlive the replay.
  // InvalidArgument: a lane that cannot work, a model of the trace that has no lane, blocks of
  // another size than the lanes' prefix caches, a fault that names no device.
  static absl::StatusOr<std::unique_ptr<Replay>> Create(const ReplayOptions& options,
                                                        Timeline* timeline,
                                                        std::vector<engine::LaneSpec> lanes,
                                                        const Trace* trace);
  virtual ~Replay() = default;

  // Runs `slice` of emulated time further; false when everything has arrived and ended.
  virtual bool Advance(Nanoseconds slice) = 0;
  virtual uint64_t offered() const = 0;  // requests that have arrived so far
  virtual uint64_t total() const = 0;
  virtual uint64_t tokens() const = 0;
  virtual const engine::Engine& engine() const = 0;
  // When Advance has said false, or of a run that is left early. `power` by lane.
  virtual Report MakeReport(const std::vector<LanePower>& power) = 0;
};

}  // namespace waferline::simulator
