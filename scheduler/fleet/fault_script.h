// Changes of a running cloud's hardware that lie ahead: each is applied at its instant on the
// timeline, unless a later order sets the same of the same device: what is lost meanwhile stays
// lost until its own repair, and two repairs of a unit end with the later one.
// Owner: server/app; must outlive the timeline's use. Thread: the engine's. Bound: 1,024
// changes that lie ahead.
#pragma once

#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "scheduler/engine/engine.h"
#include "scheduler/fleet/hardware_faults.h"
#include "wafer_backend/base/timeline.h"

namespace waferline::fleet {

class FaultScript : private EventTarget {
 public:
  explicit FaultScript(Timeline* timeline) : timeline_(timeline) {}

  // From now on. `engine` outlives the events. InvalidArgument as Engine::Check's, and nothing
  // happens then; ResourceExhausted if too many lie ahead.
  absl::Status Start(const std::vector<TimedChange>& changes, engine::Engine* engine);

 private:
  void OnEvent(uint64_t payload) override;

  struct Ahead {
    engine::Fault fault;
    engine::Engine* engine;  // null: a later order took its place
    Nanoseconds at;
  };
  // Ends what lies ahead of the devices that `changes` are about. When the last of their repairs
  // was due; 0: none was.
  Nanoseconds Replace(const std::vector<TimedChange>& changes);
  Timeline* const timeline_;
  uint64_t last_ = 0;
  std::unordered_map<uint64_t, Ahead> ahead_;
};

}  // namespace waferline::fleet
