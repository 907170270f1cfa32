// The prefill workers of all lanes: their memory and prefix caches, which prompts each has, and
// their steps over chunks of those, in the order in which they came, under a token budget.
//
// Owner: the engine; outlives every sequence that is on a worker. Thread: the engine's. Bounds: a
// worker takes a prompt while its memory and backlog have room (Pick). Cost: to route a request
// O(log workers + workers that have its first block cached). The pool changes the
// sequences' prefill_done and stage (Admitted to Prefilling); it makes first tokens due and marks
// lanes dirty in EngineContext; for the rest it calls its Listener.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "scheduler/engine/device_meter.h"
#include "scheduler/engine/device_order.h"
#include "scheduler/engine/engine_context.h"
#include "scheduler/engine/event_payload.h"
#include "scheduler/policy/routing.h"
#include "wafer_backend/api/devices.h"

namespace waferline::engine {

class PrefillPool final : private EventTarget {
 public:
  // Called from within the pool's events and StartSteps; must not call the pool.
  class Listener {
   public:
    // The prompt's first chunk is part of a step that starts now.
    virtual void OnPrefillStart(SlotIndex slot) = 0;
    // Overlap::kLayer, within a step: of `layers` layers all but the last have the KV of the
    // positions before `end`.
    virtual void OnLayersComputed(SlotIndex slot, uint32_t end, int layers) = 0;
    // The positions before the sequence's prefill_done are computed on all of `layers` layers.
    virtual void OnChunkComputed(SlotIndex slot, int layers) = 0;

   protected:
    ~Listener() = default;
  };

  PrefillPool(EngineContext* context, Listener* listener);

  size_t size(LaneIndex lane) const { return lanes_[lane].workers.size(); }
  WorkerIndex At(LaneIndex lane, DeviceIndex index) const { return lanes_[lane].workers[index]; }

  // Where the lane's policy sends the waiting sequence; nullopt: no worker can take it now.
  std::optional<WorkerIndex> Pick(SlotIndex slot) const;
  // Admitted -> Prefilling on a worker that Pick gave. `room`: on the unit, if it has some already.
  // Gives how many tokens of the prompt were in the worker's cache; nullopt: it has none.
  std::optional<Tokens> Take(SlotIndex slot, WorkerIndex worker, std::optional<Room> room);
  // Every idle worker of the lane that has prompts starts a step.
  void StartSteps(LaneIndex lane);
  // The Prefilling sequence ends or restarts: what of it is not in a running step is not computed.
  void Forget(SlotIndex slot);

  // Faults. A lost worker has no prompts and an empty cache; the caller restarts its sequences.
  bool alive(WorkerIndex worker) const { return workers_[worker].alive; }
  void Lose(WorkerIndex worker);
  void Restore(WorkerIndex worker);
  void SetSlowdown(WorkerIndex worker, double factor);
  void ResetCaches();

  // For admission.
  bool AnyAlive(LaneIndex lane) const;
  bool CouldHold(LaneIndex lane, Tokens tokens) const;  // an empty worker, lost ones included
  // Nanoseconds until `waiting` tokens and all that the workers have are computed; 0: none alive.
  double ExpectedWait(LaneIndex lane, double waiting) const;
  // Nanoseconds that a prompt takes alone on the fastest worker alive; huge if none is.
  double BestTime(LaneIndex lane, Tokens prompt) const;

  std::vector<WorkerSnapshot> Snapshot(LaneIndex lane) const;
  // Memory is what the sequences hold; each waiting sequence would go where it would if the policy
  // saw all workers; a violation fails a check.
  void CheckLaws() const;

 private:
  enum class Kind : uint8_t { kStepEnd, kLayers };
  using Payload = EventPayload<Kind>;

  struct Part {
    SequenceRef sequence;
    uint32_t fresh = 0;
    uint32_t before = 0;  // positions computed earlier
  };
  struct Worker {
    PrefillWorkerSpec spec;
    LaneIndex lane;
    DeviceIndex index;  // in its lane
    bool alive = true;
    double slowdown = 1;
    double tokens_per_ns = 0;  // of a full step
    int64_t pending_tokens = 0;
    bool listed = false;  // in its lane's idle_with_prompts
    uint32_t step_generation = 0;
    bool stepping = false;
    Nanoseconds step_lasts;  // the one under way
    DeviceMeter meter;
    std::vector<SequenceRef> active;  // in the order in which they came
    std::vector<Part> step;           // what is being computed
    std::unique_ptr<TokenPool> memory;
    std::unique_ptr<PagePool> cache_blocks;  // null without a cache
    std::unique_ptr<BlockCache> cache;
  };

  // What is known of all workers of a lane.
  struct LaneWorkers {
    IndexedVector<DeviceIndex, WorkerIndex> workers;
    PrefixHolders holders;
    Tokens largest;  // prompt that an empty worker could hold
    // By slowdown, those alive with room in their backlog, by policy::KeyOf.
    std::map<double, DeviceOrder<int64_t>> orders;
    std::vector<WorkerIndex> idle_with_prompts;
    size_t alive = 0;
    double pending_tokens = 0;  // of those alive; a whole number
    double tokens_per_ns = 0;   // of those alive
  };

  void Add(LaneIndex lane, const PrefillWorkerSpec& spec);
  void AddPending(Worker* worker, int64_t tokens);
  void Reorder(const Worker& worker);
  // Of its lane: who is alive, or how fast, has changed.
  void Recount(LaneIndex lane);
  policy::WorkerView ViewOf(const Worker& worker, const Sequence& sequence) const;
  bool Orders(const LaneWorkers& lane) const {
    return lane.workers.size() > context_->options.unordered_devices;
  }
  void Show(const LaneWorkers& lane, policy::WorkerRule rule, SlotIndex slot) const;
  void ShowAll(const LaneWorkers& lane) const;
  std::optional<WorkerIndex> PickOfShown(SlotIndex slot) const;
  void ListIdle(WorkerIndex w);
  void StartStep(WorkerIndex w);
  Tokens FillStep(Worker* worker);  // gives the tokens of the step
  void OnEvent(uint64_t word) override;
  void OnLayers(const Worker& worker);
  void OnStepEnd(Worker* worker);
  void ChargeStep(Worker* worker);

  EngineContext* const context_;
  SequenceTable* const sequences_;
  Listener* const listener_;
  IndexedVector<WorkerIndex, Worker> workers_;
  IndexedVector<LaneIndex, LaneWorkers> lanes_;
  // Reused between calls, so that nothing is allocated in steady state. What the policy sees:
  mutable std::vector<DeviceIndex> shown_;
  mutable std::vector<policy::WorkerView> views_;
  std::vector<PrefillChunk> chunks_;
};

}  // namespace waferline::engine
