// The engine's inside, shared by the files that act on it: one for each step of a request's way.
//   engine.cc    calls from outside and the loop over events
//   admit.cc     arrival -> Admitted, or refused
//   dispatch.cc  Admitted -> Prefilling: a worker, room on a unit
//   prefill.cc   a worker's steps
//   handoff.cc   Prefilled -> Resident: KV over the link
//   decode.cc    beats, batch steps
//   emit.cc      a token's way out, and what ends a sequence
//   finish.cc    Outcome, restarts
//   faults.cc    hardware that changes
//   snapshot.cc  gauges, laws
#pragma once

#include <deque>
#include <limits>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "scheduler/engine/beat_agenda.h"
#include "scheduler/engine/block_cache.h"
#include "scheduler/engine/engine.h"
#include "scheduler/engine/sequence.h"
#include "scheduler/engine/stage_ledger.h"
#include "scheduler/engine/wait_queue.h"
#include "scheduler/policy/preemption.h"

namespace waferline::engine {

class EngineState final : public Engine, private EventTarget {
 public:
  EngineState(const EngineOptions& options, Timeline* timeline, std::vector<LaneSpec> lanes,
              std::vector<EngineObserver*> observers);
  ~EngineState() override;

  void Submit(Ticket ticket, ValidRequest request) override;
  void Cancel(Ticket ticket) override;
  void Resume(Ticket ticket) override;
  Pause RunUntil(Nanoseconds limit) override;
  Nanoseconds next_instant() const override { return timeline_->next_instant(); }
  void GiveUpOnReaders() override;
  void Drain() override { draining_ = true; }
  uint32_t Abort(std::string_view request_id, const absl::Status& status) override;
  void AbortAll(const absl::Status& status) override;
  absl::Status Check(const Fault& fault) const override;
  absl::Status Apply(const Fault& fault) override;
  void ResetPrefixCaches() override;
  uint64_t in_flight() const override { return accepted_ - finished_; }
  uint64_t digest() const override { return digest_; }
  EngineSnapshot Snapshot() const override;
  void CheckLaws() const override;

 private:
  enum class Kind : uint8_t {
    kDeadline,
    kWorkerStep,
    kLayerFlows,
    kFlowArrived,
    kBeat,
    kBatchStep,
    kReaderGrace,
    kHeartbeat,
  };
  enum class Decision : uint8_t { kAdmit, kRefuse, kStart, kResident, kToken, kOutcome, kRestart };

  struct Worker {
    PrefillWorkerSpec spec;
    uint32_t lane = 0;
    uint32_t index = 0;  // in its lane
    bool alive = true;
    double slowdown = 1;
    double tokens_per_ns = 0;  // of a full step
    int64_t pending_tokens = 0;
    uint32_t step_generation = 0;
    bool stepping = false;
    struct Part {
      uint32_t slot;
      uint32_t generation;
      uint32_t fresh;
      uint32_t before;
    };
    struct Entry {
      uint32_t slot;
      uint32_t generation;
    };
    std::vector<Entry> active;  // in the order in which they came
    std::vector<Part> step;     // what is being computed
    std::unique_ptr<TokenPool> memory;
    std::unique_ptr<PagePool> cache_blocks;  // null without a cache
    std::unique_ptr<BlockCache> cache;
  };

  struct Unit {
    DecodeUnitSpec spec;
    uint32_t lane = 0;
    uint32_t index = 0;
    bool alive = true;
    bool reachable = true;  // false: its link has let a hand-off's lease expire
    bool usable() const { return alive && reachable; }
    std::unique_ptr<StageLedger> ledger;
    KvUse kv;  // by sequences
    std::unique_ptr<SeatPool> seats;
    std::unique_ptr<BlockCache> cache;  // null without
    // Batch units.
    std::vector<Worker::Entry> members;
    std::vector<Worker::Entry> in_step;
    bool stepping = false;
    uint32_t step_generation = 0;
    int depth = 1;
  };

  struct Lane {
    LaneSpec spec;
    std::vector<uint32_t> workers;  // indices into workers_, units_
    std::vector<uint32_t> units;
    std::unique_ptr<WaitQueue> queue;
    std::array<std::unique_ptr<PlacePool>, policy::kQueueClasses> places;
    std::array<uint32_t, policy::kQueueClasses> waiting{};
    std::array<uint32_t, kPhases> in_phase{};
    uint32_t parked = 0;
    std::deque<Worker::Entry> awaiting_room;  // Prefilled without room, in order
    int64_t waiting_tokens = 0;               // prompts in the queue
    int64_t cache_queried = 0;
    int64_t cache_hit = 0;
    double mean_hold_ns = 0;  // how long a sequence keeps its room, exponentially smoothed
    int draft_width = 1;      // tokens a beat verifies
    bool dirty = false;       // something was freed: dispatch again
  };

  // A token that is to be emitted at this instant, or a batch unit that goes on after its members'.
  struct Due {
    uint32_t index;  // slot, or unit
    uint32_t generation;
    uint32_t tokens;  // still to be emitted; 0: a unit
  };

  enum class Emission : uint8_t { kGoOn, kOver, kPending };

  // Values are asked for this far ahead: enough to keep the compute plane busy while tokens wait
  // for their instants, little enough that a reader that stops does not cost a whole answer.
  static constexpr uint32_t kWantAhead = 64;
  static constexpr int64_t kNotArmed = std::numeric_limits<int64_t>::max();
  static uint64_t Payload(Kind kind, uint32_t index, uint32_t generation) {
    return static_cast<uint64_t>(kind) << 56 | static_cast<uint64_t>(index) << 32 | generation;
  }

  // engine.cc
  void OnEvent(uint64_t payload) override;
  bool SettleDue();
  void DispatchDirty();
  Nanoseconds now() const { return timeline_->now(); }
  void Mix(Decision kind, uint64_t ordinal, uint64_t index) {
    last_decision_ = now();
    const uint64_t word = static_cast<uint64_t>(now().count()) * 0x9e3779b97f4a7c15ull +
                          ordinal * 0xbf58476d1ce4e5b9ull + (index << 8) +
                          static_cast<uint64_t>(kind);
    digest_ = (digest_ ^ word) * 0x94d049bb133111ebull;
    digest_ ^= digest_ >> 29;
  }
  SequenceInfo NoteOf(uint32_t slot) const;
  bool Lives(const Worker::Entry& entry) const {
    return hot_[entry.slot].generation == entry.generation;
  }

  // admit.cc
  void Arrive(uint32_t slot);
  void Refuse(uint32_t slot, policy::RefusalCause cause, Nanoseconds retry_after);
  policy::AdmissionSnapshot AdmissionView(const Lane& lane, const Sequence& sequence) const;
  Nanoseconds ExpectedQueue(const Lane& lane) const;
  Nanoseconds ExpectedService(const Lane& lane, const Sequence& sequence) const;
  bool FitsSomeUnit(const Lane& lane, const Sequence& sequence) const;
  void Enqueue(uint32_t slot);

  // dispatch.cc
  void Dispatch(uint32_t lane);
  bool PlaceFront(uint32_t lane, uint32_t slot);
  int PickUnit(const Lane& lane, const Sequence& sequence);
  int PickWorker(const Lane& lane, uint32_t slot);
  bool Preempt(uint32_t lane, uint32_t slot);
  Pages NeededPages(const Unit& unit, const Sequence& sequence, size_t cached_blocks) const;
  size_t UsableBlocks(const BlockCache& cache, const Sequence& sequence) const;
  Room TakeRoom(uint32_t unit, uint32_t slot);
  void LeaveQueue(uint32_t slot);
  void StartOnWorker(uint32_t slot, uint32_t worker, std::unique_ptr<Room> room);
  void StartOnUnit(uint32_t slot, Room room);
  void AskForValues(uint32_t slot);

  // prefill.cc
  void StartStep(uint32_t worker);
  void OnStepEnd(uint32_t worker, uint32_t generation);
  void OnLayerFlows(uint32_t worker, uint32_t generation);

  // handoff.cc
  void AfterPrefill(uint32_t slot);
  void FindRoomForWaiting(uint32_t lane);
  void Move(uint32_t slot, uint32_t to_position);
  void MoveBytes(uint32_t slot, Bytes bytes);
  void OnFlowArrived(uint32_t slot, uint32_t generation);
  void BecomeResidentIfComplete(uint32_t slot);
  void StopFlows(uint32_t slot);
  void OnHeartbeat(uint32_t slot, uint32_t generation);
  void SetReachable(const KvLink* link, bool reachable);

  // decode.cc
  void EnterDecode(uint32_t slot);
  void EnterBeat(uint32_t slot);
  void Arm();
  void OnBeat();
  bool DeliverBeat(const BeatAgenda::Beat& beat);
  void StartBatchStep(uint32_t unit);
  void OnBatchStep(uint32_t unit, uint32_t generation);
  uint32_t TokensOfBeat(uint32_t slot) const;

  // emit.cc
  Emission Emit(uint32_t slot);
  bool EmitBurst(uint32_t slot, uint32_t* tokens);  // false: a value (or a reader) is awaited
  void AfterEmission(uint32_t slot);
  void FailValue(uint32_t slot);
  void Park(uint32_t slot);
  void Unpark(uint32_t slot);

  // finish.cc
  void SetPhase(uint32_t slot, Phase phase);
  void End(uint32_t slot, FinishReason reason, absl::Status status);
  void Restart(uint32_t slot, RestartCause cause);
  void LetGo(uint32_t slot);  // of everything but the slot
  void FreeSlot(uint32_t slot);

  const EngineOptions options_;
  Timeline* const timeline_;
  const ObserverList observers_;
  std::vector<Lane> lanes_;
  std::unordered_map<std::string, uint32_t> lane_by_model_;
  std::vector<Worker> workers_;
  std::vector<Unit> units_;

  std::vector<HotSequence> hot_;
  // Given back before the pools in workers_, units_ and lanes_ die.
  std::vector<Sequence> sequences_;
  std::vector<uint32_t> free_slots_;
  uint32_t occupied_ = 0;
  std::unordered_map<Ticket, uint32_t> slot_of_ticket_;

  BeatAgenda beats_;
  int64_t armed_ns_ = kNotArmed;
  std::deque<Due> due_;
  bool any_dirty_ = false;
  uint32_t held_readers_ = 0;
  Nanoseconds limit_;
  bool draining_ = false;
  bool blocked_ = false;

  uint64_t accepted_ = 0;
  uint64_t finished_ = 0;
  uint64_t refused_ = 0;
  uint64_t tokens_ = 0;
  uint64_t events_ = 0;
  Nanoseconds last_decision_;
  uint64_t last_sequence_id_ = 0;
  uint64_t digest_ = 0x243f6a8885a308d3ull;

  // Reused between calls, so that nothing is allocated in steady state.
  std::vector<policy::UnitView> unit_views_;
  std::vector<policy::WorkerView> worker_views_;
  std::vector<PrefillChunk> chunks_;
};

}  // namespace waferline::engine
