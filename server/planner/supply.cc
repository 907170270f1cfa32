#include "server/planner/supply.h"

#include <algorithm>
#include <cmath>

#include "wafer_backend/base/name_table.h"

namespace waferline::planner {
namespace {

constexpr double kTiny = 1e-9;
constexpr double kWeeksAMonth = 365.25 / 12 / 7;

int WholeWeeks(double weeks) { return static_cast<int>(std::lround(weeks)); }
int64_t Whole(double units) { return static_cast<int64_t>(std::floor(units + kTiny)); }

// One stage while the weeks go by.
class StageFlow {
 public:
  StageFlow(const Stage& stage, const Values& values, int weeks)
      : stage_(stage),
        values_(values),
        lead_(WholeWeeks(Value(stage.lead_weeks))),
        rework_(WholeWeeks(Value(stage.rework_weeks))),
        good_(Value(stage.good)),
        started_at_(static_cast<size_t>(weeks)),
        reworked_at_(static_cast<size_t>(weeks)) {
    now.stock = Whole(Value(stage.stock));
  }

  // How many it could start in this week of its calendar, if nothing else limits it.
  int64_t Capacity() {
    double rate = 0;
    for (const RateStep& step : stage_.rate) {
      if (step.week <= calendar_) rate = Value(step.per_week);
    }
    if (Value(stage_.enabled) < 0.5) rate = 0;
    capacity_ += rate;
    const int64_t whole = Whole(capacity_);
    capacity_ -= static_cast<double>(whole);
    return whole;
  }

  // Starts `units`, then moves what is in work by a week. The units that become good now.
  int64_t Work(int week, int64_t units) {
    const auto at = static_cast<size_t>(calendar_);
    now.started += units;
    started_at_[at] = units;
    int64_t done = 0, ready = 0;
    if (calendar_ >= lead_) {
      done = started_at_[at - static_cast<size_t>(lead_)];
      share_ += static_cast<double>(done) * good_;
      ready = std::min(done, Whole(share_));
      share_ -= static_cast<double>(ready);
    }
    int64_t scrap = rework_ > 0 ? 0 : done - ready;
    if (rework_ > 0) {
      reworked_at_[at] = done - ready;
      if (calendar_ >= rework_) ready += reworked_at_[at - static_cast<size_t>(rework_)];
    }
    for (const Loss& loss : stage_.losses) {
      if (loss.week != week) continue;
      const int64_t lost = Whole(static_cast<double>(ready) * Value(loss.share));
      scrap += lost;
      ready -= lost;
    }
    now.good += ready;
    now.scrap += scrap;
    now.in_work = now.started - now.good - now.scrap;
    ++calendar_;
    return ready;
  }

  StageWeek now;

 private:
  double Value(Par par) const { return values_[par.index]; }

  const Stage& stage_;
  const Values& values_;
  const int lead_, rework_;
  const double good_;
  int calendar_ = 0;                 // weeks without an outage
  double capacity_ = 0, share_ = 0;  // fractions carried
  std::vector<int64_t> started_at_, reworked_at_;
};

class Flow {
 public:
  Flow(const Plan& plan, const Values& values, std::span<const Outage> outages)
      : plan_(plan), values_(values), outages_(outages) {
    for (const Stage& stage : plan.stages) flows_.emplace_back(stage, values, plan.weeks);
    std::vector<double> mw(static_cast<size_t>(plan.weeks));
    for (const Hall& hall : plan.halls) {
      const std::vector<double> of = HallMw(plan, hall, values);
      for (size_t w = 0; w < mw.size(); ++w) mw[w] += of[w];
    }
    hall_mw_ = std::move(mw);
  }

  SupplyRun Run() {
    SupplyRun run;
    const size_t stages = plan_.stages.size();
    run.stages.resize(stages);
    for (auto& weeks : run.stages) weeks.reserve(static_cast<size_t>(plan_.weeks));
    for (int week = 0; week < plan_.weeks; ++week) {
      if (!Stands(week, stages)) ++hall_calendar_;
      run.hall_mw.push_back(
          hall_calendar_ == 0 ? 0 : hall_mw_[static_cast<size_t>(hall_calendar_ - 1)]);
      room_ = Whole(run.hall_mw.back() * 1000 / values_[plan_.kw_per_system.index]);
      for (size_t s = 0; s < stages; ++s) WorkStage(s, week);
      for (size_t s = 0; s < stages; ++s) run.stages[s].push_back(flows_[s].now);
      run.online.push_back(flows_.back().now.good);
      run.binding.push_back(BindingNow());
    }
    return run;
  }

 private:
  bool Stands(int week, size_t stage) const {
    for (const Outage& outage : outages_) {
      if (week < outage.week || week >= outage.week + outage.weeks) continue;
      if (stage == plan_.stages.size() ? outage.halls
                                       : std::find(outage.stages.begin(), outage.stages.end(),
                                                   stage) != outage.stages.end()) {
        return true;
      }
    }
    return false;
  }

  void Limit(int64_t most, Reason reason, size_t of, int64_t* units) {
    if (most >= *units) return;
    *units = std::max<int64_t>(0, most);
    now_->reason = reason;
    now_->starved_of = of;
  }

  void WorkStage(size_t s, int week) {
    const Stage& stage = plan_.stages[s];
    StageFlow& flow = flows_[s];
    now_ = &flow.now;
    if (Stands(week, s)) {
      now_->reason = Reason::kOutage;
      return;
    }
    int64_t units = flow.Capacity();
    now_->reason = Reason::kCapacity;
    for (const Need& need : stage.needs) {
      const int64_t each = Whole(values_[need.units.index]);
      Limit(flows_[need.stage].now.stock / each, Reason::kStarved, need.stage, &units);
    }
    if (stage.max_stock != kNoMaxStock) {
      Limit(stage.max_stock - now_->stock - now_->in_work, Reason::kBlocked, s, &units);
    }
    if (s + 1 == flows_.size()) {
      Limit(room_ - now_->good - now_->in_work, Reason::kRoom, s, &units);
    }
    for (const Need& need : stage.needs) {
      StageWeek& from = flows_[need.stage].now;
      const int64_t taken = units * Whole(values_[need.units.index]);
      from.stock -= taken;
      from.taken += taken;
    }
    const int64_t ready = flow.Work(week, units);
    flows_[stage.into.value_or(s)].now.stock += ready;
  }

  Binding BindingNow() const {
    size_t at = flows_.size() - 1;
    while (flows_[at].now.reason == Reason::kStarved) at = flows_[at].now.starved_of;
    const Reason reason = flows_[at].now.reason;
    return {reason == Reason::kRoom ? flows_.size() : at, reason};
  }

  const Plan& plan_;
  const Values& values_;
  const std::span<const Outage> outages_;
  std::vector<StageFlow> flows_;
  std::vector<double> hall_mw_;  // by the halls' own calendar
  int hall_calendar_ = 0;
  int64_t room_ = 0;
  StageWeek* now_ = nullptr;
};

constexpr NamedValue<Reason> kReasons[] = {{"capacity", Reason::kCapacity},
                                           {"starved", Reason::kStarved},
                                           {"room", Reason::kRoom},
                                           {"blocked", Reason::kBlocked},
                                           {"outage", Reason::kOutage}};

}  // namespace

std::string_view Name(Reason reason) { return NameIn(kReasons, reason); }

std::string NameOf(const Plan& plan, size_t stage) {
  return stage < plan.stages.size() ? plan.stages[stage].name : "halls";
}

std::vector<double> HallMw(const Plan& plan, const Hall& hall, const Values& values) {
  std::vector<double> mw(static_cast<size_t>(plan.weeks));
  const auto add = [&](double week, double more) {
    for (size_t w = static_cast<size_t>(WholeWeeks(week)); w < mw.size(); ++w) mw[w] += more;
  };
  for (const HallStep& step : hall.steps) add(values[step.week.index], values[step.mw.index]);
  if (hall.built) {
    double longest = 0;
    for (const Par phase : hall.phases) longest = std::max(longest, values[phase.index]);
    add(values[hall.start_week.index] + longest + values[hall.fit_out.index],
        values[hall.mw.index]);
  }
  return mw;
}

SupplyRun RunSupply(const Plan& plan, const Values& values, std::span<const Outage> outages) {
  if (plan.outages.empty()) return Flow(plan, values, outages).Run();
  std::vector<Outage> all = plan.outages;
  all.insert(all.end(), outages.begin(), outages.end());
  return Flow(plan, values, all).Run();
}

double PromisedMw(const Promise& promise, const Values& values, size_t week) {
  const auto w = static_cast<double>(week);
  if (w >= values[promise.lost_week.index]) return 0;
  const double from = values[promise.from_week.index];
  const double whole = std::max(1.0, values[promise.to_week.index] - from);
  return values[promise.mw.index] * std::clamp((w + 1 - from) / whole, 0.0, 1.0);
}

std::vector<double> PromisedMw(const Plan& plan, const Values& values) {
  std::vector<double> mw(static_cast<size_t>(plan.weeks));
  for (const Promise& promise : plan.promises) {
    for (size_t w = 0; w < mw.size(); ++w) mw[w] += PromisedMw(promise, values, w);
  }
  return mw;
}

std::vector<double> OnlineMw(const Plan& plan, const Values& values, const SupplyRun& run) {
  std::vector<double> mw;
  for (const int64_t systems : run.online) {
    mw.push_back(static_cast<double>(systems) * values[plan.kw_per_system.index] / 1000);
  }
  return mw;
}

double ShortMwMonths(std::span<const double> wanted, std::span<const double> online) {
  double weeks = 0;
  for (size_t w = 0; w < wanted.size(); ++w) weeks += std::max(0.0, wanted[w] - online[w]);
  return weeks / kWeeksAMonth;
}

}  // namespace waferline::planner
