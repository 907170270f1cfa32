// The gauges, set from a snapshot at each scrape. Owner: Exposition. Thread: one at a time. A
// series is created when its unit or worker first appears; those of stages when their unit first
// works. Bounds: a fleet's units and workers are
// fixed, a model has 1,024 experts at most.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "scheduler/engine/snapshot.h"
#include "server/metrics/exposition.h"
#include "server/metrics/families.h"

namespace waferline::metrics {

class SnapshotGauges {
 public:
  SnapshotGauges(Families& families, const std::vector<MeteredLane>& lanes);
  // Those of the families of these names; all if there are none.
  void Set(const engine::EngineSnapshot& snapshot, const HostFigures& host,
           const std::vector<std::string>& names = {});

 private:
  void SetChains(const ComputeFigures& figures);
  void SetCell(const CellFigures& cell);  // cell_gauges.cc
  void SetCertificate(int64_t expires_unix);
  void SetSpans(const SpanFigures& spans);
  void SetKvEvents(const KvEventFigures& publisher);
  void SetLane(const engine::LaneSnapshot& lane);
  void SetCompute(const ComputeFigures& figures);
  void SetBilling(const BillingFigures& figures);
  void SetExperts(const ComputeFigures& figures);
  void SetUnit(const std::string& model, const engine::UnitSnapshot& unit, Nanoseconds now);
  // Those of a unit that has not worked yet as one, "all".
  void SetStages(const Labels& labels, const engine::UnitSnapshot& unit, Nanoseconds now);
  void SetSides(const Labels& labels, const engine::SideState& sides, Nanoseconds now);
  // Removes a gauge, or a counter, if it is there.
  void Drop(const std::string& name, const Labels& labels);
  // Whether Set is to set the family of this name.
  bool Wants(std::string_view name) const;
  // Sets a gauge that is wanted.
  void Put(std::string_view name, const char* help, const Labels& labels, double value);
  // The same for a counter; `total` since the start.
  void Count(std::string_view name, const char* help, const Labels& labels, double total);

  Families& families_;
  std::vector<std::string> wanted_;  // by this call of Set
  template <typename Metric>
  struct Series {
    prometheus::Family<Metric>* family = nullptr;
    Metric* metric = nullptr;
  };
  std::map<std::pair<std::string, Labels>, Series<prometheus::Gauge>> gauges_;
  std::map<std::pair<std::string, Labels>, Series<prometheus::Counter>> counters_;
};

}  // namespace waferline::metrics
