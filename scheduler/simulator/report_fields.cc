// A report with every field, for those who look for names.
#include <boost/json/object.hpp>

#include "scheduler/simulator/report_json.h"

namespace waferline::simulator {

boost::json::object EveryField(bool has_objectives) {
  Report report;
  report.refused.fill(1);
  report.restarts.fill(1);
  report.has_objectives = has_objectives;
  report.output_tokens = 1;
  report.compute.microjoules = 1;
  for (ServedTally& tier : report.by_tier) tier.completed = 1;
  report.devices.push_back({.devices = 1, .charged_ns = 1, .power = {1, 1, 1}});
  report.end = Seconds(1);
  return ToJson(report);
}

}  // namespace waferline::simulator
