#include "client/cli/sim/fleet_finder.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <thread>

#include "client/cli/sim/sim_run.h"
#include "wafer_backend/base/mutex.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/yaml_overrides.h"

namespace waferline::cli {
namespace {

using search::Trial;

enum class Length : uint8_t { kUntilMissed, kWhole, kLonger };

// Runs trials, or takes them from the journal. Thread-safe.
class Trials {
 public:
  explicit Trials(const FinderInput& input) : input_(input) {}

  absl::StatusOr<Trial> Run(const std::vector<Override>& overrides, double factor, Length length) {
    const simulator::OfflineInput& load = length == Length::kLonger ? *input_.longer : input_.run;
    std::string run = fmt::format("{} rate={:.9g}", search::LabelOf(overrides), factor);
    if (length == Length::kWhole) run += " whole";
    if (length == Length::kLonger) run += fmt::format(" of={}", OfferedBy(load));
    if (std::optional<Trial> known = Known(run)) return *std::move(known);
    search::TrialInput trial{load, &input_.slo, length == Length::kWhole};
    trial.run.settings.speed_up *= factor;
    WL_ASSIGN_OR_RETURN(trial.run.config, WithOverrides(load.config, overrides));
    WL_ASSIGN_OR_RETURN(Trial result, search::RunTrial(trial, WallSeconds));
    const MutexLock lock(&mutex_);
    ++simulated_;
    done_.emplace(run, result);
    if (input_.journal != nullptr) {
      WL_RETURN_IF_ERROR(input_.journal->Add(run, search::ToJson(result)));
    }
    if (input_.progress) input_.progress(run);
    return result;
  }
  size_t simulated() const { return simulated_; }
  size_t remembered() const { return remembered_; }

 private:
  std::optional<Trial> Known(const std::string& run) {
    const MutexLock lock(&mutex_);
    if (const auto done = done_.find(run); done != done_.end()) return done->second;
    const boost::json::object* const kept =
        input_.journal == nullptr ? nullptr : input_.journal->Find(run);
    if (kept == nullptr) return std::nullopt;
    std::optional<Trial> trial = search::TrialFromJson(*kept, input_.slo.size());
    if (trial) {
      ++remembered_;
      done_.emplace(run, *trial);
    }
    return trial;
  }

  const FinderInput& input_;
  Mutex mutex_;
  std::map<std::string, Trial> done_;
  size_t simulated_ = 0, remembered_ = 0;
};

absl::Status SizeAll(const FinderInput& input, FoundFleet* found) {
  std::vector<search::Place> places = search::AllPlaces(input.axes);
  found->variants = places.size();
  std::vector<absl::StatusOr<search::FleetSize>> sizes(places.size(),
                                                       absl::UnknownError("not sized"));
  InParallel(places.size(), input.options.at_a_time, [&](size_t i) {
    const auto text = WithOverrides(input.run.config, search::OverridesOf(input.axes, places[i]));
    sizes[i] = text.ok() ? search::SizeOf(input.run.config_name, *text) : text.status();
  });
  for (size_t i = 0; i < places.size(); ++i) {
    if (!sizes[i].ok()) {
      if (found->unbuildable++ > 0) continue;
      found->first_fault =
          fmt::format("{}: {}", search::LabelOf(search::OverridesOf(input.axes, places[i])),
                      std::string(sizes[i].status().message()));
      continue;
    }
    found->candidates.push_back({std::move(places[i]), CostOf(*sizes[i], input.minimise)});
    found->sizes.push_back(*std::move(sizes[i]));
  }
  if (found->candidates.empty()) return absl::InvalidArgumentError(found->first_fault);
  return absl::OkStatus();
}

absl::Status Search(const FinderInput& input, Trials* trials, FoundFleet* found) {
  absl::Status fault;
  const auto try_all = [&](std::span<const size_t> indices) {
    std::vector<absl::StatusOr<Trial>> results(indices.size(), absl::UnknownError("not run"));
    InParallel(indices.size(), indices.size(), [&](size_t i) {
      const search::Place& place = found->candidates[indices[i]].place;
      results[i] = trials->Run(search::OverridesOf(input.axes, place), 1, Length::kUntilMissed);
    });
    std::vector<search::Verdict> verdicts;
    for (size_t i = 0; i < indices.size(); ++i) {
      fault.Update(results[i].status());
      verdicts.emplace_back();
      if (!results[i].ok()) continue;
      verdicts.back() = {results[i]->holds, results[i]->too_small()};
      found->trials[indices[i]] = *std::move(results[i]);
    }
    return verdicts;
  };
  found->result = search::FindCheapest(input.axes, found->candidates, input.options, try_all);
  return fault;
}

// The rates of the answer, and of the answer with one step more of each ordered field.
absl::Status Measure(const FinderInput& input, Trials* trials, FoundFleet* found) {
  const size_t best = *found->result.best;
  const search::Place& place = found->candidates[best].place;
  const std::vector<Override> answer = search::OverridesOf(input.axes, place);
  const auto at_rate = [&](const std::vector<Override>& overrides, Length length) {
    return [=](double factor) { return trials->Run(overrides, factor, length); };
  };
  WL_ASSIGN_OR_RETURN(found->rate, search::HighestRate(1, at_rate(answer, Length::kWhole)));
  if (input.longer && !found->rate.unbounded) {
    const double offered = OfferedPerSecond(*input.longer);
    const double start = found->rate.factor * found->offered_per_second / offered;
    WL_ASSIGN_OR_RETURN(const search::RateLimit limit,
                        search::HighestRate(start, at_rate(answer, Length::kLonger)));
    found->longer = {OfferedBy(*input.longer), limit.factor * offered};
  }
  WL_ASSIGN_OR_RETURN(found->saturation,
                      search::Saturate(found->rate.factor, at_rate(answer, Length::kWhole)));
  for (size_t i = 0; i < input.axes.size(); ++i) {
    if (!input.axes[i].ordered) continue;
    std::vector<Override> changed = answer;
    changed[i].second = search::NextValue(input.axes[i], place[i]);
    WL_ASSIGN_OR_RETURN(const std::string text, WithOverrides(input.run.config, changed));
    const auto size = search::SizeOf(input.run.config_name, text);
    if (!size.ok()) continue;  // there is no such step: beyond what the field allows
    WL_ASSIGN_OR_RETURN(
        const search::RateLimit limit,
        search::HighestRate(found->rate.factor, at_rate(changed, Length::kUntilMissed)));
    found->changes.push_back(
        {changed[i].first, answer[i].second, changed[i].second, *size, limit.factor});
  }
  const double cost = found->candidates[best].cost;
  const auto worth = [&](const NextChange& change) {
    const double gain = change.rate_factor - found->rate.factor;
    return gain / std::max(1e-9, CostOf(change.size, input.minimise) - cost);
  };
  std::stable_sort(found->changes.begin(), found->changes.end(),
                   [&](const NextChange& a, const NextChange& b) { return worth(a) > worth(b); });
  return absl::OkStatus();
}

}  // namespace

uint64_t OfferedBy(const simulator::OfflineInput& run) {
  return static_cast<uint64_t>(run.trace->requests.size()) * run.settings.repeat;
}

double OfferedPerSecond(const simulator::OfflineInput& run) {
  return static_cast<double>(run.trace->requests.size()) * run.settings.speed_up /
         std::max(1e-9, ToSeconds(run.trace->span));
}

double CostOf(const search::FleetSize& size, Minimise minimise) {
  switch (minimise) {
    case Minimise::kCost:
      return size.usd_per_hour;
    case Minimise::kWatts:
      return size.watts;
    case Minimise::kSystems:
      return static_cast<double>(size.systems);
  }
  return 0;
}

std::optional<size_t> Nearest(const search::Slo& slo, const FoundFleet& found) {
  std::optional<size_t> nearest;
  const auto off = [&](size_t candidate) {
    double most = 0;
    const Trial& trial = found.trials.at(candidate);
    for (size_t i = 0; i < slo.size(); ++i) {
      most = std::max(most, trial.terms[i].figure_ms / (slo[i].limit.as_double() * 1e-6));
    }
    return most;
  };
  for (const auto& [candidate, trial] : found.trials) {
    if (!nearest || off(candidate) < off(*nearest)) nearest = candidate;
  }
  return nearest;
}

absl::StatusOr<FoundFleet> FindFleet(const FinderInput& input) {
  FoundFleet found;
  found.offered_per_second = OfferedPerSecond(input.run);
  WL_RETURN_IF_ERROR(SizeAll(input, &found));
  Trials trials(input);
  WL_RETURN_IF_ERROR(Search(input, &trials, &found));
  if (found.result.best) WL_RETURN_IF_ERROR(Measure(input, &trials, &found));
  found.simulated = trials.simulated();
  found.remembered = trials.remembered();
  return found;
}

}  // namespace waferline::cli
