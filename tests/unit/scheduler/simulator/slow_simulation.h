// The slow and obvious simulation of a small cloud, written without looking at the engine: one
// event for each thing that happens, found by looking through all of them; state in plain fields;
// caches as lists of whole prefixes; bytes on the link in exact fractions. It knows first come,
// first served with one model, several workers with prefix caches, several wafers, one shared link,
// and their faults.
#pragma once

#include <cstddef>
#include <cstdint>
#include <tuple>
#include <vector>

#include "tests/unit/scheduler/simulator/slow_prefix_cache.h"

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
  using State = Request::State;

  std::vector<Request> requests;
  int64_t leases_lost = 0;
  int max_on_link = 0;

  explicit SlowSimulation(const Setting& setting);
  void AddFault(int64_t at, What what, int index, double factor = 1);
  void Run();

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
  struct Worker {
    bool alive = true, stepping = false;
    int64_t steps = 0, pending = 0;
    std::vector<size_t> prompts;
    std::vector<std::tuple<size_t, int, int64_t>> step;  // request, life, tokens
    SlowPrefixCache cache;
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

  void At(int64_t at, int order, Kind kind, size_t index, int64_t valid = 0);
  int64_t Pages(const Request& r) const;
  void Happen(const Event& e);
  void Arrive(size_t i);
  void EndStep(size_t w);
  void EndSending();
  void EndMove(size_t i);
  void Heartbeat(const Event& e);

  // The link: all that is on it shares it.
  int64_t Share() const;  // what each of those on it gets in a nanosecond
  void SendUntil(int64_t at);
  void PlanLink();
  void Unsend(size_t i);

  void Queue(size_t i);
  void Dispatch();
  bool Place(size_t i);
  size_t BestUnit(const Request& r) const;    // units_.size(): none
  size_t BestWorker(const Request& r) const;  // workers_.size(): none
  void Step(size_t w);

  void Token(size_t i);
  void Decode(size_t i);
  void GiveBack(size_t i);  // all that it holds
  void Restart(size_t i);
  template <typename Concerned>
  void RestartAll(Concerned concerned);
  void Break(const Fault& fault);

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
};

}  // namespace waferline::simulator
