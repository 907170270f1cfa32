// SlowSimulation: who gets which worker and unit, and what faults take from them.
#include <algorithm>
#include <cmath>

#include "tests/unit/scheduler/simulator/slow_simulation.h"

namespace waferline::simulator {

void SlowSimulation::Queue(size_t i) {
  requests[i].state = State::kQueued;
  requests[i].total = requests[i].prompt + static_cast<int64_t>(requests[i].tokens.size());
  queue_.push_back(i);
  std::sort(queue_.begin(), queue_.end());  // the trace is in order of arrival
}

void SlowSimulation::Dispatch() {
  while (!queue_.empty() && Place(queue_.front())) queue_.erase(queue_.begin());
  for (size_t w = 0; w < workers_.size(); ++w) Step(w);
}

size_t SlowSimulation::BestUnit(const Request& r) const {
  size_t unit = units_.size();
  std::tuple<double, double> best;
  for (size_t u = 0; u < units_.size(); ++u) {
    const Unit& x = units_[u];
    if (!x.alive || !x.reachable || x.running >= set_.slots || x.pages < Pages(r)) continue;
    const std::tuple<double, double> cost(
        1.0 - static_cast<double>(x.pages - Pages(r)) / static_cast<double>(set_.pages),
        x.running / 4.0);
    if (unit == units_.size() || cost < best) std::tie(unit, best) = std::tuple(u, cost);
  }
  return unit;
}

size_t SlowSimulation::BestWorker(const Request& r) const {
  size_t worker = workers_.size();
  int64_t least = 0;
  for (size_t w = 0; w < workers_.size(); ++w) {
    if (!workers_[w].alive || workers_[w].pending >= kBacklog) continue;
    const int64_t work = workers_[w].pending + r.total -
                         SlowPrefixCache::kTokensOfBlock *
                             static_cast<int64_t>(workers_[w].cache.Usable(r.blocks, r.total));
    if (worker == workers_.size() || work < least) std::tie(worker, least) = std::tuple(w, work);
  }
  return worker;
}

bool SlowSimulation::Place(size_t i) {
  Request& r = requests[i];
  const size_t unit = BestUnit(r), worker = BestWorker(r);
  if (unit == units_.size() || worker == workers_.size()) return false;
  r.state = State::kPrefill;
  r.unit = unit;
  r.worker = worker;
  units_[unit].pages -= Pages(r);
  ++units_[unit].running;
  r.held_blocks = workers_[worker].cache.Usable(r.blocks, r.total);
  workers_[worker].cache.Hold(r.blocks, r.held_blocks);
  r.done = SlowPrefixCache::kTokensOfBlock * static_cast<int64_t>(r.held_blocks);
  workers_[worker].pending += r.total - r.done;
  workers_[worker].prompts.push_back(i);
  return true;
}

void SlowSimulation::Step(size_t w) {
  Worker& worker = workers_[w];
  if (worker.stepping || !worker.alive || worker.prompts.empty()) return;
  int64_t budget = kBudget;
  worker.step.clear();
  for (const size_t i : worker.prompts) {
    const int64_t chunk = std::min(budget, requests[i].total - requests[i].done);
    if (budget == 0) break;
    worker.step.emplace_back(i, requests[i].lives, chunk);
    budget -= chunk;
  }
  worker.stepping = true;
  At(now_ + (kBudget - budget) * 1000, kDevice, Kind::kStep, w, ++worker.steps);
}

void SlowSimulation::Token(size_t i) {
  Request& r = requests[i];
  r.tokens.push_back(now_);
  if (static_cast<int64_t>(r.tokens.size()) == r.output) {
    GiveBack(i);
    r.state = State::kOver;
    ++r.lives;
  }
}

void SlowSimulation::Decode(size_t i) {
  Unit& unit = units_[requests[i].unit];
  const int64_t enters = std::max(now_, unit.entry_free);
  unit.entry_free = enters + static_cast<int64_t>(std::llround(kStageNs * unit.slowdown));
  At(enters + static_cast<int64_t>(std::llround(kLatencyNs * unit.slowdown)), kDevice, Kind::kToken,
     i, requests[i].lives);
}

void SlowSimulation::GiveBack(size_t i) {
  Request& r = requests[i];
  Unsend(i);
  r.in_flight = false;
  units_[r.unit].pages += Pages(r);
  --units_[r.unit].running;
  Worker& worker = workers_[r.worker];
  if (r.state != State::kDecoding) worker.cache.LetGo(r.blocks, r.held_blocks);
  if (r.state == State::kPrefill && std::erase(worker.prompts, i) > 0) {
    int64_t computing = 0;
    for (const auto& [other, life, tokens] : worker.step) {
      if (worker.stepping && other == i && life == r.lives) computing = tokens;
    }
    worker.pending -= r.total - r.done - computing;
  }
}

void SlowSimulation::Restart(size_t i) {
  GiveBack(i);
  ++requests[i].lives;
  Queue(i);
}

// Those for which concerned(request, is on a worker, is on a unit).
template <typename Concerned>
void SlowSimulation::RestartAll(Concerned concerned) {
  for (size_t i = 0; i < requests.size(); ++i) {
    const State state = requests[i].state;
    const bool on_worker = state == State::kPrefill || state == State::kMoving;
    if (concerned(requests[i], on_worker, on_worker || state == State::kDecoding)) Restart(i);
  }
}

void SlowSimulation::Break(const Fault& fault) {
  switch (fault.what) {
    case What::kWorkerLost: {
      RestartAll([&](const Request& r, bool on_worker, bool) {
        return on_worker && r.worker == fault.index;
      });
      Worker& worker = workers_[fault.index];
      worker.alive = worker.stepping = false;
      ++worker.steps;
      worker.prompts.clear();
      worker.pending = 0;
      worker.cache.Clear();
      return;
    }
    case What::kWorkerBack:
      workers_[fault.index].alive = true;
      return;
    case What::kUnitLost:
      units_[fault.index].alive = false;
      return RestartAll(
          [&](const Request& r, bool, bool on_unit) { return on_unit && r.unit == fault.index; });
    case What::kUnitBack:
      units_[fault.index].alive = true;
      return;
    case What::kUnitSlow:
      units_[fault.index].slowdown = fault.factor;
      return;
    case What::kLinkSpeed:
      speed_ = fault.factor;
      if (speed_ > 0) {
        for (Unit& unit : units_) unit.reachable = true;
      }
      return PlanLink();
  }
}

}  // namespace waferline::simulator
