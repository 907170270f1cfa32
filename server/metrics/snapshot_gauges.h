// Gauges: what is, as opposed to what happened. Set from a snapshot at each scrape. One thread at a
// time. Series are created when a unit or worker is first seen; a fleet's units are fixed.
#pragma once

#include <prometheus/registry.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "scheduler/engine/snapshot.h"
#include "server/metrics/exposition.h"
#include "server/metrics/families.h"

namespace waferline::metrics {

class SnapshotGauges {
 public:
  SnapshotGauges(prometheus::Registry& registry, const std::vector<MeteredLane>& lanes);
  void Set(const engine::EngineSnapshot& snapshot, const HostFigures& host);

 private:
  void SetLane(const engine::LaneSnapshot& lane, Nanoseconds now);
  void SetCompute(const ComputeFigures& figures);
  void SetUnit(const std::string& model, const engine::UnitSnapshot& unit, Nanoseconds now);
  void SetStages(const Labels& labels, const engine::UnitSnapshot& unit, Nanoseconds now);
  void Put(const std::string& name, const std::string& help, const Labels& labels, double value);
  // The same for what only grows.
  void Count(const std::string& name, const std::string& help, const Labels& labels, double total);

  prometheus::Registry& registry_;
  std::map<std::pair<std::string, Labels>, prometheus::Gauge*> gauges_;
  std::map<std::pair<std::string, Labels>, prometheus::Counter*> counters_;
};

}  // namespace waferline::metrics
