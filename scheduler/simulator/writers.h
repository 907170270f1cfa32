// A run written down while it happens: a line a request, and a timeline for Perfetto
// (ui.perfetto.dev, the JSON of the Trace Event Format). Memory: nothing is kept. Errors: whatever
// the stream says afterwards.
#pragma once

#include <cstdint>
#include <ostream>
#include <vector>

#include "scheduler/engine/lane.h"
#include "scheduler/engine/observer.h"
#include "scheduler/simulator/device_counters.h"

namespace waferline::simulator {

// CSV: one line for each request that was admitted or refused; times in milliseconds.
class RequestsCsv : public engine::EngineObserver {
 public:
  explicit RequestsCsv(std::ostream* out);
  void OnRefused(const engine::SequenceInfo& sequence, policy::RefusalCause cause,
                 Nanoseconds retry_after) override;
  void OnOutcome(const engine::OutcomeInfo& info) override;

 private:
  std::ostream* out_;
};

// A track for each worker and batch unit with its steps, and for each request its phases; counters
// of wafers, their stages and the links to them.
class PerfettoTimeline : public engine::EngineObserver {
 public:
  // `clock` tells the instant of what is observed.
  PerfettoTimeline(std::ostream* out, const Timeline* clock,
                   const std::vector<engine::LaneSpec>& lanes);
  ~PerfettoTimeline() override;  // closes the document

  void OnAdmitted(const engine::SequenceInfo& sequence) override;
  void OnPhase(const engine::SequenceInfo& sequence, engine::Phase from, Nanoseconds lasted,
               engine::Phase phase) override;
  void OnToken(const engine::TokenInfo& token) override;
  void OnOutcome(const engine::OutcomeInfo& info) override;
  void OnPrefillStep(engine::LaneIndex lane, engine::DeviceIndex worker, Tokens tokens,
                     Nanoseconds lasts) override;
  void OnBatchStep(engine::LaneIndex lane, engine::DeviceIndex unit, int sequences,
                   Nanoseconds lasts) override;

 private:
  // A step of `count` tokens or sequences.
  struct Amount {
    int64_t count = 0;
    const char* name = "";
  };
  void Step(engine::LaneIndex lane, uint32_t track, Amount amount, Nanoseconds lasts);
  void Part(const engine::SequenceInfo& sequence, engine::Phase phase, Nanoseconds lasted);
  void Count(int change);
  void CountDevices();
  std::ostream& Next();

  std::ostream* out_;
  const Timeline* clock_;
  DeviceCounters devices_;
  bool first_ = true;
  int in_flight_ = 0;
  struct Present {
    engine::Phase phase = engine::Phase::kQueue;
    Nanoseconds since;
  };
  std::vector<Present> present_;  // by slot
};

}  // namespace waferline::simulator
