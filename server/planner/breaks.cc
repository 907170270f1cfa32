#include "server/planner/breaks.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace waferline::planner {
namespace {

class Stops {
 public:
  Stops(const Plan& plan, const Values& values, const BreakOptions& options)
      : plan_(plan), values_(values), options_(options) {
    const SupplyRun base = RunSupply(plan, values);
    base_ = OnlineMw(plan, values, base);
    wanted_ = PromisedMw(plan, values);
    for (size_t w = 0; w < wanted_.size(); ++w) wanted_[w] = std::min(wanted_[w], base_[w]);
  }

  Outage StopOf(const std::vector<size_t>& stages, int weeks) const {
    return {.stages = stages, .halls = stages.empty(), .week = options_.week, .weeks = weeks};
  }
  std::vector<double> OnlineWith(std::vector<Outage> outages) const {
    return OnlineMw(plan_, values_, RunSupply(plan_, values_, outages));
  }
  double Missed(const std::vector<double>& online) const { return ShortMwMonths(wanted_, online); }
  int FirstMissed(const std::vector<double>& online) const {
    for (size_t w = 0; w < wanted_.size(); ++w) {
      if (wanted_[w] - online[w] > 1e-9) return static_cast<int>(w);
    }
    return -1;
  }

  int Slack(const std::vector<size_t>& stages) const {
    const auto misses = [&](int weeks) {
      return FirstMissed(OnlineWith({StopOf(stages, weeks)})) >= 0;
    };
    if (!misses(plan_.weeks)) return plan_.weeks;
    int low = 0, high = plan_.weeks;  // low does not miss, high does
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      (misses(middle) ? high : low) = middle;
    }
    return low;
  }

  // What changing the values adds to what is online until the horizon.
  double Gained(const Values& values) const {
    const std::vector<double> online = OnlineMw(plan_, values, RunSupply(plan_, values));
    return ShortMwMonths(online, base_) - ShortMwMonths(base_, online);
  }

  Break Of(std::string name, std::vector<size_t> stages) const {
    Break row{.name = std::move(name), .stages = std::move(stages)};
    row.slack_weeks = Slack(row.stages);
    for (size_t i = 0; i < options_.slips.size(); ++i) {
      const std::vector<double> online = OnlineWith({StopOf(row.stages, options_.slips[i])});
      row.mw_months[i] = Missed(online);
      if (i == 1) row.first_missed_week = FirstMissed(online);
    }
    Values more = values_, sooner = values_;
    for (const size_t s : row.stages) {
      const Stage& stage = plan_.stages[s];
      for (const RateStep& step : stage.rate) more[step.per_week.index] += 1;
      sooner[stage.lead_weeks.index] = std::max(0.0, sooner[stage.lead_weeks.index] - 1);
      AddGuesses(absl::StrCat("stages.", stage.name, "."), &row);
    }
    if (row.stages.empty()) {
      AddGuesses("halls.", &row);
    } else {
      row.mw_months_of_one_more = Gained(more);
      row.mw_months_of_a_week_less = Gained(sooner);
    }
    return row;
  }

 private:
  void AddGuesses(const std::string& prefix, Break* row) const {
    for (const Parameter& parameter : plan_.parameters) {
      if (parameter.stated && parameter.fact.mark == Mark::kUnknown &&
          parameter.name.starts_with(prefix)) {
        row->guesses.push_back(parameter.name);
      }
    }
  }

  const Plan& plan_;
  const Values& values_;
  const BreakOptions& options_;
  std::vector<double> base_, wanted_;
};

void Rank(std::vector<Break>* rows) {
  std::stable_sort(rows->begin(), rows->end(), [](const Break& a, const Break& b) {
    if (a.slack_weeks != b.slack_weeks) return a.slack_weeks < b.slack_weeks;
    return a.mw_months[1] > b.mw_months[1];
  });
}

std::map<std::string, std::vector<size_t>> StagesBySupplier(const Plan& plan) {
  std::map<std::string, std::vector<size_t>> by;
  for (size_t s = 0; s < plan.stages.size(); ++s) by[plan.stages[s].supplier].push_back(s);
  return by;
}

}  // namespace

std::vector<Break> StageBreaks(const Plan& plan, const Values& values,
                               const BreakOptions& options) {
  const Stops stops(plan, values, options);
  std::vector<Break> rows;
  for (size_t s = 0; s < plan.stages.size(); ++s) rows.push_back(stops.Of(NameOf(plan, s), {s}));
  rows.push_back(stops.Of("halls", {}));
  Rank(&rows);
  return rows;
}

std::vector<Break> SupplierBreaks(const Plan& plan, const Values& values,
                                  const BreakOptions& options) {
  const Stops stops(plan, values, options);
  std::vector<Break> rows;
  for (auto& [supplier, stages] : StagesBySupplier(plan)) {
    const std::string what = absl::StrJoin(
        stages, ", ", [&](std::string* out, size_t s) { out->append(plan.stages[s].name); });
    rows.push_back(stops.Of(absl::StrCat(supplier, " (", what, ")"), stages));
  }
  Rank(&rows);
  return rows;
}

std::vector<PairBreak> PairBreaks(const Plan& plan, const Values& values,
                                  const BreakOptions& options) {
  const Stops stops(plan, values, options);
  std::vector<std::pair<std::string, std::vector<size_t>>> all;
  for (auto& [supplier, stages] : StagesBySupplier(plan)) all.emplace_back(supplier, stages);
  all.emplace_back("halls", std::vector<size_t>());
  std::vector<double> single;
  for (const auto& [name, stages] : all) {
    single.push_back(stops.Missed(stops.OnlineWith({stops.StopOf(stages, options.slips[1])})));
  }
  std::vector<PairBreak> rows;
  for (size_t a = 0; a < all.size(); ++a) {
    for (size_t b = a + 1; b < all.size(); ++b) {
      PairBreak row{.first = all[a].first, .second = all[b].first};
      for (size_t i = 0; i < options.slips.size(); ++i) {
        row.mw_months[i] =
            stops.Missed(stops.OnlineWith({stops.StopOf(all[a].second, options.slips[i]),
                                           stops.StopOf(all[b].second, options.slips[i])}));
      }
      row.beyond_sum = row.mw_months[1] - single[a] - single[b];
      rows.push_back(std::move(row));
    }
  }
  std::stable_sort(rows.begin(), rows.end(), [](const PairBreak& a, const PairBreak& b) {
    return a.mw_months[1] > b.mw_months[1];
  });
  return rows;
}

}  // namespace waferline::planner
