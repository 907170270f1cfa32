#include "tests/unit/scheduler/simulator/slow_simulation.h"

#include <algorithm>
#include <cmath>

namespace waferline::simulator {

SlowSimulation::SlowSimulation(const Setting& setting) : set_(setting) {
  workers_.resize(set_.workers);
  units_.resize(set_.units, {set_.slots, set_.pages});
}

void SlowSimulation::AddFault(int64_t at, What what, int index, double factor) {
  faults_.push_back({what, static_cast<size_t>(index), factor});
  At(at, kFault, Kind::kFault, faults_.size() - 1);
}

void SlowSimulation::Run() {
  for (size_t i = 0; i < requests.size(); ++i) {
    At(requests[i].arrival, kArrival, Kind::kArrive, i);
  }
  while (!events_.empty()) {
    const auto next = std::min_element(events_.begin(), events_.end());
    const Event event = *next;
    events_.erase(next);
    SendUntil(event.at);
    now_ = event.at;
    Happen(event);
    Dispatch();
  }
}

void SlowSimulation::At(int64_t at, int order, Kind kind, size_t index, int64_t valid) {
  events_.push_back({at, order, numbers_++, kind, index, valid});
}

int64_t SlowSimulation::Pages(const Request& r) const {
  return (r.prompt + r.output + kTokensOfPage - 1) / kTokensOfPage;
}

void SlowSimulation::Happen(const Event& e) {
  const bool same_life = requests.size() > e.index && requests[e.index].lives == e.valid;
  switch (e.kind) {
    case Kind::kFault:
      return Break(faults_[e.index]);
    case Kind::kArrive:
      return Arrive(e.index);
    case Kind::kStep:
      if (workers_[e.index].steps == e.valid) EndStep(e.index);
      return;
    case Kind::kSent:
      if (e.valid == link_plan_) EndSending();
      return;
    case Kind::kThere:
      if (same_life) EndMove(e.index);
      return;
    case Kind::kHeartbeat:
      if (same_life && requests[e.index].in_flight) Heartbeat(e);
      return;
    case Kind::kToken:
      if (!same_life) return;
      Token(e.index);
      if (requests[e.index].state != State::kOver) Decode(e.index);
      return;
  }
}

void SlowSimulation::Arrive(size_t i) {
  bool worker = false, unit = false;
  for (const Worker& w : workers_) worker |= w.alive;
  for (const Unit& u : units_) unit |= u.alive && u.reachable;
  requests[i].refused = !worker || !unit;
  if (!requests[i].refused) Queue(i);
}

void SlowSimulation::EndStep(size_t w) {
  Worker& worker = workers_[w];
  worker.stepping = false;
  std::vector<size_t> finished;
  for (const auto& [i, life, tokens] : worker.step) {
    worker.pending -= tokens;
    Request& r = requests[i];
    if (r.lives != life) continue;
    r.done += tokens;
    if (r.done < r.total) continue;
    worker.cache.Remember(r.blocks, set_.cache_blocks);
    std::erase(worker.prompts, i);
    finished.push_back(i);
  }
  for (const size_t i : finished) {
    Request& r = requests[i];
    Token(i);
    if (r.state == State::kOver) continue;
    r.state = State::kMoving;
    r.in_flight = true;
    r.left = r.left_at_beat = r.total * set_.kv_bytes * kParts;
    r.lost = 0;
    sending_.push_back(i);
    PlanLink();
    At(now_ + set_.heartbeat_ns, kPolicy, Kind::kHeartbeat, i, r.lives);
  }
}

void SlowSimulation::EndSending() {
  for (const size_t i : std::vector(sending_)) {
    if (requests[i].left > kParts / 1000) continue;
    std::erase(sending_, i);
    requests[i].left = 0;
    At(now_ + set_.latency_ns, kDevice, Kind::kThere, i, requests[i].lives);
  }
  PlanLink();
}

void SlowSimulation::EndMove(size_t i) {
  Request& r = requests[i];
  workers_[r.worker].cache.LetGo(r.blocks, r.held_blocks);
  r.state = State::kDecoding;
  r.in_flight = false;
  Decode(i);
}

void SlowSimulation::Heartbeat(const Event& e) {
  Request& r = requests[e.index];
  r.lost = r.left == 0 || r.left < r.left_at_beat ? 0 : r.lost + 1;
  r.left_at_beat = r.left;
  if (r.lost < set_.lost_heartbeats) {
    return At(now_ + set_.heartbeat_ns, kPolicy, Kind::kHeartbeat, e.index, e.valid);
  }
  ++leases_lost;
  for (Unit& unit : units_) unit.reachable = false;  // all are behind this link
  Restart(e.index);
}

int64_t SlowSimulation::Share() const {
  return static_cast<int64_t>(static_cast<double>(kParts / static_cast<int64_t>(sending_.size())) *
                              speed_);
}

void SlowSimulation::SendUntil(int64_t at) {
  for (const size_t i : sending_) requests[i].left -= (at - now_) * Share();
}

void SlowSimulation::PlanLink() {
  ++link_plan_;
  max_on_link = std::max(max_on_link, static_cast<int>(sending_.size()));
  if (sending_.empty() || speed_ == 0) return;
  int64_t least = INT64_MAX;
  for (const size_t i : sending_) least = std::min(least, requests[i].left);
  // Over when less than a thousandth of a byte is left.
  const int64_t to_send = std::max<int64_t>(0, least - kParts / 1000);
  At(now_ + (to_send + Share() - 1) / Share(), kDevice, Kind::kSent, 0, link_plan_);
}

void SlowSimulation::Unsend(size_t i) {
  if (std::erase(sending_, i) > 0) PlanLink();
}

}  // namespace waferline::simulator
