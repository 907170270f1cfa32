// The search of `waferctl sim search`: sizes the variants, tries those that the search picks, and
// measures the answer: the rate up to which it holds, where it saturates, what one step more of
// each field would bring.
//
// Thread: one; trials run on threads that end before a call returns.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/sim/run_journal.h"
#include "scheduler/search/fleet_search.h"
#include "scheduler/search/rate_search.h"
#include "scheduler/search/slo.h"
#include "scheduler/search/trial.h"
#include "scheduler/search/variants.h"

namespace waferline::cli {

enum class Minimise : uint8_t { kCost, kWatts, kSystems };

struct FinderInput {
  simulator::OfflineInput run;  // with the configuration that the variants change
  // The same load for longer, at which the answer's rate is found once more: a queue that grows
  // slowly is not seen in a short run. Absent: `run` is long enough.
  std::optional<simulator::OfflineInput> longer;
  std::vector<search::Axis> axes;
  search::Slo slo;
  Minimise minimise = Minimise::kCost;
  search::SearchOptions options;
  RunJournal* journal = nullptr;                          // may be null
  std::function<void(const std::string& note)> progress;  // after each trial; may be empty
};

// One step more of one field of the answer.
struct NextChange {
  std::string path, from, to;
  search::FleetSize size;
  double rate_factor = 0;  // up to which the SLO holds then
};

// Up to which rate the answer holds FinderInput::longer.
struct LongerRate {
  uint64_t requests = 0;
  double held_per_second = 0;
};

struct FoundFleet {
  size_t variants = 0;
  size_t unbuildable = 0;
  std::string first_fault;  // of those
  std::vector<search::Candidate> candidates;
  std::vector<search::FleetSize> sizes;    // of the candidates
  std::map<size_t, search::Trial> trials;  // by candidate
  search::SearchResult result;
  double offered_per_second = 0;
  // Only if there is an answer.
  search::RateLimit rate;
  std::optional<LongerRate> longer;
  search::RatePoint saturation;
  std::vector<NextChange> changes;  // the most requests for its price first
  size_t simulated = 0;             // runs, those for rates included
  size_t remembered = 0;            // runs that the journal had
};

uint64_t OfferedBy(const simulator::OfflineInput& run);
// At the load's own density.
double OfferedPerSecond(const simulator::OfflineInput& run);
double CostOf(const search::FleetSize& size, Minimise minimise);
// Of the candidates tried, the one whose worst term is closest to its limit, for a search without
// an answer.
std::optional<size_t> Nearest(const search::Slo& slo, const FoundFleet& found);

// Errors: no variant can be built (the first one's fault), the trace does not fit the fleet, the
// journal cannot be written. That no variant holds is not an error.
absl::StatusOr<FoundFleet> FindFleet(const FinderInput& input);

}  // namespace waferline::cli
