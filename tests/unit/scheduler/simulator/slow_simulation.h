// The slow and obvious simulation of a small cloud, written without looking at the engine: one
// event for each thing that happens, found by looking through all of them; state in plain fields;
// caches as lists of whole prefixes; bytes on the link in exact fractions. It knows first come,
// first served with one model, several workers with prefix caches, several wafers, one shared link,
// and their faults.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

namespace waferline::simulator {

class SlowSimulation {
 public:
  struct Setting {
    int workers = 1, units = 1;
    int64_t slots = 8, pages = 64;  // of each unit
    int64_t cache_blocks = 0;       // of each worker
    int64_t latency_ns = 0;         // of the link, which moves a byte a nanosecond
    int64_t kv_bytes = 80;          // of a token
    int64_t heartbeat_ns = 10'000'000, lost_heartbeats = 3;
  };
  enum class What { kWorkerLost, kWorkerBack, kUnitLost, kUnitBack, kUnitSlow, kLinkSpeed };
  struct Request {
    int64_t arrival, prompt, output;
    std::vector<uint64_t> blocks;  // of 16 tokens, full ones only
    std::vector<int64_t> tokens;   // instants at which they left
    bool refused = false;
    int lives = 0;  // how often it started

    enum class State { kComing, kQueued, kPrefill, kMoving, kDecoding, kOver } state{};
    size_t worker = 0, unit = 0;
    int64_t total = 0, done = 0;  // prompt tokens, those computed
    size_t held_blocks = 0;       // of the worker's cache
    bool in_flight = false;       // its bytes are on the link, or in its latency
    int64_t left = 0;             // what the link still has to send, in parts of a byte
    int64_t left_at_beat = 0, lost = 0;
  };
  std::vector<Request> requests;
  int64_t leases_lost = 0;
  int max_on_link = 0;

  explicit SlowSimulation(const Setting& setting) : set_(setting) {
    workers_.resize(set_.workers);
    units_.resize(set_.units, {set_.slots, set_.pages});
  }
  void AddFault(int64_t at, What what, int index, double factor = 1) {
    faults_.push_back({what, static_cast<size_t>(index), factor});
    At(at, kFault, Kind::kFault, faults_.size() - 1);
  }
  void Run() {
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

 private:
  static constexpr int64_t kBudget = 64, kBacklog = 256, kTokensOfPage = 16;
  static constexpr int64_t kStageNs = 20'014, kLatencyNs = 80'056;  // 8 layers, 4 stages
  static constexpr int64_t kParts =
      2 * 720720;  // of a byte: divides by 1 .. 16 transfers, half speed
  enum Class { kFault, kDevice, kPolicy, kArrival };
  enum class Kind { kFault, kArrive, kStep, kSent, kThere, kHeartbeat, kToken };
  struct Event {
    int64_t at;
    int order;
    uint64_t number;
    Kind kind;
    size_t index;
    int64_t valid;
    bool operator<(const Event& o) const {
      return std::tie(at, order, number) < std::tie(o.at, o.order, o.number);
    }
  };
  struct Cached {
    int64_t used_at = 0;
    int users = 0;
  };
  struct Worker {
    bool alive = true, stepping = false;
    int64_t steps = 0, pending = 0;
    std::vector<size_t> prompts;
    std::vector<std::tuple<size_t, int, int64_t>> step;  // request, life, tokens
    std::map<std::vector<uint64_t>, Cached> cache;
    int cleared = 0;
  };
  struct Unit {
    int64_t slots, pages;
    bool alive = true, reachable = true;
    int64_t entry_free = 0;
    double slowdown = 1;
    int running = 0;
  };
  struct Fault {
    What what;
    size_t index;
    double factor;
  };

  void At(int64_t at, int order, Kind kind, size_t index, int64_t valid = 0) {
    events_.push_back({at, order, numbers_++, kind, index, valid});
  }
  int64_t Pages(const Request& r) const {
    return (r.prompt + r.output + kTokensOfPage - 1) / kTokensOfPage;
  }

  // The link: all that is on it shares it.
  // What each of those on it gets in a nanosecond.
  int64_t Share() const {
    return static_cast<int64_t>(
        static_cast<double>(kParts / static_cast<int64_t>(sending_.size())) * speed_);
  }
  void SendUntil(int64_t at) {
    for (const size_t i : sending_) requests[i].left -= (at - now_) * Share();
  }
  void PlanLink() {
    ++link_plan_;
    max_on_link = std::max(max_on_link, static_cast<int>(sending_.size()));
    if (sending_.empty() || speed_ == 0) return;
    int64_t least = INT64_MAX;
    for (const size_t i : sending_) least = std::min(least, requests[i].left);
    // Over when less than a thousandth of a byte is left.
    const int64_t to_send = std::max<int64_t>(0, least - kParts / 1000);
    At(now_ + (to_send + Share() - 1) / Share(), kDevice, Kind::kSent, 0, link_plan_);
  }
  void Unsend(size_t i) {
    if (std::erase(sending_, i) > 0) PlanLink();
  }

  // A worker's cache: prefixes as long as there are blocks.
  size_t Known(const Worker& worker, const Request& r) const {
    size_t n = 0;
    while (n < r.blocks.size() && worker.cache.contains(Prefix(r, n + 1))) ++n;
    return n;
  }
  size_t Usable(const Worker& worker, const Request& r) const {
    size_t n = Known(worker, r);
    while (n > 0 && static_cast<int64_t>(n) * 16 >= r.total) --n;
    return n;
  }
  static std::vector<uint64_t> Prefix(const Request& r, size_t n) {
    return {r.blocks.begin(), r.blocks.begin() + static_cast<int64_t>(n)};
  }
  void Hold(Worker& worker, const Request& r, size_t n) {
    for (size_t k = 1; k <= n; ++k) ++worker.cache.at(Prefix(r, k)).users;
  }
  void LetGo(Worker& worker, const Request& r, size_t n) {  // the longest is the oldest
    for (size_t k = n; k > 0; --k) {
      Cached& cached = worker.cache.at(Prefix(r, k));
      if (--cached.users == 0) cached.used_at = ++uses_;
    }
  }
  void Remember(Worker& worker, const Request& r) {
    if (set_.cache_blocks == 0) return;
    size_t n = Known(worker, r);
    Hold(worker, r, n);
    for (; n < r.blocks.size(); ++n) {
      if (static_cast<int64_t>(worker.cache.size()) == set_.cache_blocks) {
        auto oldest = worker.cache.end();
        for (auto it = worker.cache.begin(); it != worker.cache.end(); ++it) {
          if (it->second.users > 0) continue;
          if (oldest == worker.cache.end() || it->second.used_at < oldest->second.used_at)
            oldest = it;
        }
        if (oldest == worker.cache.end()) break;
        worker.cache.erase(oldest);
      }
      worker.cache[Prefix(r, n + 1)].users = 1;
    }
    LetGo(worker, r, n);
  }

  void Queue(size_t i) {
    requests[i].state = Request::State::kQueued;
    requests[i].total = requests[i].prompt + static_cast<int64_t>(requests[i].tokens.size());
    queue_.push_back(i);
    std::sort(queue_.begin(), queue_.end());  // the trace is in order of arrival
  }
  void Dispatch() {
    while (!queue_.empty() && Place(queue_.front())) queue_.erase(queue_.begin());
    for (size_t w = 0; w < workers_.size(); ++w) Step(w);
  }
  bool Place(size_t i) {
    Request& r = requests[i];
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
    if (unit == units_.size()) return false;
    size_t worker = workers_.size();
    int64_t least = 0;
    for (size_t w = 0; w < workers_.size(); ++w) {
      if (!workers_[w].alive || workers_[w].pending >= kBacklog) continue;
      const int64_t work =
          workers_[w].pending + r.total - 16 * static_cast<int64_t>(Usable(workers_[w], r));
      if (worker == workers_.size() || work < least) std::tie(worker, least) = std::tuple(w, work);
    }
    if (worker == workers_.size()) return false;
    r.state = Request::State::kPrefill;
    r.unit = unit;
    r.worker = worker;
    units_[unit].pages -= Pages(r);
    ++units_[unit].running;
    r.held_blocks = Usable(workers_[worker], r);
    Hold(workers_[worker], r, r.held_blocks);
    r.done = 16 * static_cast<int64_t>(r.held_blocks);
    workers_[worker].pending += r.total - r.done;
    workers_[worker].prompts.push_back(i);
    return true;
  }
  void Step(size_t w) {
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

  void Token(size_t i) {
    Request& r = requests[i];
    r.tokens.push_back(now_);
    if (static_cast<int64_t>(r.tokens.size()) == r.output) {
      GiveBack(i);
      r.state = Request::State::kOver;
      ++r.lives;
    }
  }
  void GiveBack(size_t i) {
    Request& r = requests[i];
    Unsend(i);
    r.in_flight = false;
    units_[r.unit].pages += Pages(r);
    --units_[r.unit].running;
    if (r.state != Request::State::kDecoding) LetGo(workers_[r.worker], r, r.held_blocks);
    if (r.state == Request::State::kPrefill && std::erase(workers_[r.worker].prompts, i) > 0) {
      int64_t computing = 0;
      for (const auto& [other, life, tokens] : workers_[r.worker].step) {
        if (workers_[r.worker].stepping && other == i && life == r.lives) computing = tokens;
      }
      workers_[r.worker].pending -= r.total - r.done - computing;
    }
  }
  void Restart(size_t i) {
    GiveBack(i);
    ++requests[i].lives;
    Queue(i);
  }
  void Decode(size_t i) {
    Unit& unit = units_[requests[i].unit];
    const int64_t enters = std::max(now_, unit.entry_free);
    unit.entry_free = enters + static_cast<int64_t>(std::llround(kStageNs * unit.slowdown));
    At(enters + static_cast<int64_t>(std::llround(kLatencyNs * unit.slowdown)), kDevice,
       Kind::kToken, i, requests[i].lives);
  }

  void Happen(const Event& e) {
    switch (e.kind) {
      case Kind::kFault:
        return Break(faults_[e.index]);
      case Kind::kArrive: {
        bool worker = false, unit = false;
        for (const Worker& w : workers_) worker |= w.alive;
        for (const Unit& u : units_) unit |= u.alive && u.reachable;
        requests[e.index].refused = !worker || !unit;
        if (!requests[e.index].refused) Queue(e.index);
        return;
      }
      case Kind::kStep:
        if (workers_[e.index].steps == e.valid) EndStep(e.index);
        return;
      case Kind::kSent: {
        if (e.valid != link_plan_) return;
        for (const size_t i : std::vector(sending_)) {
          if (requests[i].left > kParts / 1000) continue;
          std::erase(sending_, i);
          requests[i].left = 0;
          At(now_ + set_.latency_ns, kDevice, Kind::kThere, i, requests[i].lives);
        }
        return PlanLink();
      }
      case Kind::kThere: {
        Request& r = requests[e.index];
        if (r.lives != e.valid) return;
        LetGo(workers_[r.worker], r, r.held_blocks);
        r.state = Request::State::kDecoding;
        r.in_flight = false;
        return Decode(e.index);
      }
      case Kind::kHeartbeat: {
        Request& r = requests[e.index];
        if (r.lives != e.valid || !r.in_flight) return;
        r.lost = r.left == 0 || r.left < r.left_at_beat ? 0 : r.lost + 1;
        r.left_at_beat = r.left;
        if (r.lost < set_.lost_heartbeats) {
          return At(now_ + set_.heartbeat_ns, kPolicy, Kind::kHeartbeat, e.index, e.valid);
        }
        ++leases_lost;
        for (Unit& unit : units_) unit.reachable = false;  // all are behind this link
        return Restart(e.index);
      }
      case Kind::kToken:
        if (requests[e.index].lives != e.valid) return;
        Token(e.index);
        if (requests[e.index].state != Request::State::kOver) Decode(e.index);
        return;
    }
  }
  void EndStep(size_t w) {
    Worker& worker = workers_[w];
    worker.stepping = false;
    std::vector<size_t> finished;
    for (const auto& [i, life, tokens] : worker.step) {
      worker.pending -= tokens;
      Request& r = requests[i];
      if (r.lives != life) continue;
      r.done += tokens;
      if (r.done < r.total) continue;
      Remember(worker, r);
      std::erase(worker.prompts, i);
      finished.push_back(i);
    }
    for (const size_t i : finished) {
      Request& r = requests[i];
      Token(i);
      if (r.state == Request::State::kOver) continue;
      r.state = Request::State::kMoving;
      r.in_flight = true;
      r.left = r.left_at_beat = r.total * set_.kv_bytes * kParts;
      r.lost = 0;
      sending_.push_back(i);
      PlanLink();
      At(now_ + set_.heartbeat_ns, kPolicy, Kind::kHeartbeat, i, r.lives);
    }
  }
  void Break(const Fault& fault) {
    const auto all = [this](auto concerned) {
      for (size_t i = 0; i < requests.size(); ++i) {
        const auto state = requests[i].state;
        const bool on_worker =
            state == Request::State::kPrefill || state == Request::State::kMoving;
        if (concerned(requests[i], on_worker, on_worker || state == Request::State::kDecoding))
          Restart(i);
      }
    };
    switch (fault.what) {
      case What::kWorkerLost: {
        Worker& worker = workers_[fault.index];
        all([&](const Request& r, bool on_worker, bool) {
          return on_worker && r.worker == fault.index;
        });
        worker.alive = worker.stepping = false;
        ++worker.steps;
        worker.prompts.clear();
        worker.pending = 0;
        worker.cache.clear();
        return;
      }
      case What::kWorkerBack:
        workers_[fault.index].alive = true;
        return;
      case What::kUnitLost:
        units_[fault.index].alive = false;
        all([&](const Request& r, bool, bool on_unit) { return on_unit && r.unit == fault.index; });
        return;
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

  const Setting set_;
  std::vector<Event> events_;
  uint64_t numbers_ = 0;
  int64_t now_ = 0;
  std::vector<Worker> workers_;
  std::vector<Unit> units_;
  std::vector<Fault> faults_;
  std::vector<size_t> queue_;
  std::vector<size_t> sending_;
  double speed_ = 1;
  int64_t link_plan_ = 0;
  int64_t uses_ = 0;
};

}  // namespace waferline::simulator
