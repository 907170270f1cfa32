// One simulated run held against an SLO, as a value that a journal can keep. Pure but for the
// caller's clock; several trials may run at once, on threads of their own.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "scheduler/search/slo.h"
#include "scheduler/simulator/offline_run.h"

namespace waferline::search {

// What a fleet is before it runs. Sums over its devices; links count nothing.
struct FleetSize {
  double usd_per_hour = 0;
  double watts = 0;     // at work
  int64_t systems = 0;  // wafers and accelerators
  std::string label;    // as the fleet calls itself
};
// Errors as of ParseFleetConfig and OfflineCloud::Build.
absl::StatusOr<FleetSize> SizeOf(const std::string& config_name, const std::string& config);

struct TermOutcome {
  uint64_t late = 0;      // of the requests that had ended
  double figure_ms = 0;   // the term's percentile of the requests that were answered
  bool by_speed = false;  // not one request met the term: waiting is not what it lacks
};

// The device that is closest to its limit: its busy time, or its KV memory, as a share.
struct Binding {
  std::string device;    // "llama-3.1-70b/wafer-0"
  std::string resource;  // "busy", "KV memory"
  double share = 0;
};

struct Trial {
  uint64_t offered = 0;     // in the whole run
  uint64_t unanswered = 0;  // refused, failed, past their deadline
  std::vector<TermOutcome> terms;
  bool holds = false;
  bool stopped = false;  // ended early: a term was missed whatever came after
  double completed_per_second = 0;
  double mean_watts = 0;
  std::vector<Binding> devices;  // the fullest first, one a device

  // It failed, and not only for terms that no request met: a larger fleet may hold.
  bool too_small() const;
};

boost::json::object ToJson(const Trial& trial);
// Of what ToJson made; nothing for any other document.
std::optional<Trial> TrialFromJson(const boost::json::object& json, size_t terms);

struct TrialInput {
  simulator::OfflineInput run;
  const Slo* slo;
  bool to_the_end = false;  // also when the SLO is missed already
};
absl::StatusOr<Trial> RunTrial(const TrialInput& input,
                               const std::function<double()>& wall_seconds);

}  // namespace waferline::search
