// The decode units of all lanes: their room (running slots, pages, prefix caches), the beats that
// pass their pipelines and the steps of batch units. This is what runs for every token.
//
// Owner: the engine; outlives every sequence that has room on a unit. Thread: the engine's. Bounds:
// max_running sequences and the ledger's pages on each unit. The pool emits the tokens of plain
// beats itself; what may wait for others (bursts, prompts, batch steps, awaited values) it makes
// due in EngineContext, in order. Cost: O(1) a token (BeatAgenda); to route a request O(log units +
// units that have its first block cached), while any unit has room.
#pragma once

#include <array>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "scheduler/engine/beat_agenda.h"
#include "scheduler/engine/device_meter.h"
#include "scheduler/engine/device_order.h"
#include "scheduler/engine/engine_context.h"
#include "scheduler/engine/event_payload.h"
#include "scheduler/engine/handoff_ledger.h"
#include "scheduler/engine/token_emitter.h"
#include "scheduler/policy/routing.h"
#include "wafer_backend/base/seeded_stream.h"

namespace waferline::engine {

class DecodePool final : private EventTarget {
 public:
  DecodePool(EngineContext* context, TokenEmitter* emitter, const HandoffLedger* handoffs);

  size_t size(LaneIndex lane) const { return lanes_[lane].units.size(); }
  UnitIndex At(LaneIndex lane, DeviceIndex index) const { return lanes_[lane].units[index]; }
  const DecodeUnitSpec& spec(UnitIndex unit) const { return units_[unit].spec; }
  policy::UnitKind kind(UnitIndex unit) const { return KindOf(units_[unit]); }

  // decode_rooms.cc
  // Where the lane's policy sends the sequence; nullopt: no unit has room now.
  std::optional<UnitIndex> Pick(SlotIndex slot) const;
  // Tokens of the sequence's prompt that are not in the unit's cache.
  int64_t FreshTokens(UnitIndex unit, SlotIndex slot) const;
  // Of the prompt, on the unit of the tier that has most of it.
  int64_t MostCached(LaneIndex lane, UnitTier tier, const Sequence& sequence) const;
  // Room on a unit that Pick gave. The unit becomes the sequence's (HotSequence::unit).
  Room Take(UnitIndex unit, SlotIndex slot);
  // The sequence ends or restarts: its stage is about to release its room, if it has one. A
  // resident's pages are released at once and its prompt stays in the unit's cache.
  void Return(SlotIndex slot);
  // Whether `slot` would have room on the resident's unit, of a tier that it may use, if that one
  // gave up its own.
  bool GivesEnough(const Resident& resident, SlotIndex slot) const;

  // decode_steps.cc
  // The unit computes the prompt itself, as one beat of all its tokens that are not cached.
  void EnterPrompt(SlotIndex slot);
  // The resident sequence is ready for its next token at this instant.
  void Enter(SlotIndex slot);
  // All tokens of the last beat or step are out, and it goes on, or its reader is full.
  void Continue(SlotIndex slot);
  // A resident whose reader had been full has tokens of the last step due again.
  void Rejoin(SlotIndex slot);
  // The batch unit's next step starts, if it has members.
  void StartStep(UnitIndex unit);

  // Faults. A lost unit has no members and an empty cache; the caller restarts its sequences.
  bool alive(UnitIndex unit) const { return units_[unit].alive; }
  void Lose(UnitIndex unit);
  void Restore(UnitIndex unit);
  void SetSlowdown(UnitIndex unit, double factor);
  void SetStageSlowdown(UnitIndex unit, uint32_t stage, double factor);
  void SetSideSlowdown(UnitIndex unit, Side side, double factor);
  // Of the unit's link, which others may share.
  void SetLinkSpeed(UnitIndex unit, double share);
  void ResetCaches();

  // For admission (decode_load.cc).
  bool AnyUsable(LaneIndex lane) const;                 // alive, and its link works
  bool CouldHold(LaneIndex lane, Tokens tokens) const;  // an empty unit, lost ones included
  // Nanoseconds until `waiting` sequences before this one have found room on units of these tiers.
  double ExpectedWait(LaneIndex lane, const policy::TierChoice& tiers, double waiting) const;
  // Nanoseconds of hand-off and decode on the best usable unit of these tiers, undisturbed; huge if
  // there is none.
  double BestTime(LaneIndex lane, const policy::TierChoice& tiers, const Sequence& sequence) const;

  std::vector<UnitSnapshot> Snapshot(LaneIndex lane) const;
  // Pages and slots are what the sequences hold and the caches keep, and fit the memory; each
  // waiting sequence would go where it would if the policy saw all units; a violation fails a
  // check.
  void CheckLaws() const;

 private:
  enum class Kind : uint8_t { kBeat, kBatchStep };
  using Payload = EventPayload<Kind>;
  static constexpr int64_t kNotArmed = std::numeric_limits<int64_t>::max();

  struct Unit {
    DecodePipeline* pipeline = nullptr;  // null for a batch unit
    int draft_width = 1;                 // tokens a beat verifies
    Nanoseconds draft_time;              // before a beat or step; 0 without drafts
    LaneIndex lane;
    DeviceIndex index;  // in its lane
    bool alive = true;
    std::vector<uint64_t> acceptance;  // of draft tokens: SeededStream::BoundOf its share
    std::unique_ptr<StageLedger> ledger;
    KvUse kv;  // by sequences
    std::unique_ptr<RunningSlotPool> running;
    std::unique_ptr<BlockCache> cache;  // null without
    int depth = 1;
    DeviceMeter meter;
    size_t order = 0;     // in its lane's
    bool stale = false;   // listed in its lane's
    bool usable = false;  // as counted in its lane, and so are these
    int64_t free_slots = 0;
    // Batch units.
    std::vector<SequenceRef> members;
    std::vector<SequenceRef> in_step;
    bool stepping = false;
    Nanoseconds step_lasts;  // the one under way
    uint32_t step_generation = 0;
    DecodeUnitSpec spec;
    // Set by faults, for snapshots.
    double slowdown = 1, link_speed = 1;
    std::vector<double> slow_stages;
    SideState sides;  // of a batch unit of two sides: its steps so far
  };

  // Units that compare by their keys alone: policy::KeyOf.
  struct Order {
    UnitTier tier;
    int64_t capacity_pages, page_tokens;
    int max_running, depth;
    DeviceOrder<policy::UnitKey> units;  // the usable ones
  };
  // What is known of all units of a lane. Of those that are stale it is what it was before.
  struct LaneUnits {
    IndexedVector<DeviceIndex, UnitIndex> units;
    PrefixHolders holders;
    Tokens largest;  // that an empty unit could hold
    std::vector<Order> orders;
    std::vector<UnitIndex> stale;
    uint64_t routes_version = 0;
    size_t usable = 0;
    std::array<int64_t, kUnitTiers> free_slots{};  // of usable units less than 0.9 full
    double mean_hold_ns = 0;  // how long a sequence keeps its room, exponentially smoothed
  };

  static policy::UnitKind KindOf(const Unit& unit) {
    return unit.pipeline != nullptr ? policy::UnitKind::kWafer : policy::UnitKind::kGpu;
  }
  void Add(LaneIndex lane, const DecodeUnitSpec& spec);
  bool IsUsable(UnitIndex unit) const { return units_[unit].alive && handoffs_->reachable(unit); }
  size_t OrderOf(const Unit& unit, LaneUnits* lane) const;
  void Changed(UnitIndex unit) const;
  LaneUnits& Refreshed(LaneIndex lane) const;
  // Without a request, and with one.
  policy::UnitView ViewOf(UnitIndex unit) const;
  policy::UnitView ViewOf(UnitIndex unit, const Sequence& sequence) const;
  bool Orders(const LaneUnits& lane) const {
    return lane.units.size() > context_->options.unordered_devices;
  }
  void Show(const LaneUnits& lane, policy::UnitRule rule, const Sequence& sequence) const;
  void ShowAll(const LaneUnits& lane) const;
  std::optional<UnitIndex> PickOfShown(SlotIndex slot) const;
  Pages NeededPages(const Unit& unit, const Sequence& sequence, size_t cached_blocks) const;
  size_t CachedBlocks(const Unit& unit, const Sequence& sequence) const;

  void OnEvent(uint64_t word) override;
  void EnterBeat(SlotIndex slot, const HotSequence& hot);
  void Arm();
  bool DeliverPlain(SequenceRef sequence, bool alone);
  int64_t BeatsUntil() const;
  void OnBeat();
  bool DeliverBeat(SequenceRef sequence);
  bool DeliverDraft(SequenceRef sequence, HotSequence* hot);
  void GoOn(SlotIndex slot, uint32_t emitted, HotSequence* hot);
  uint32_t TokensOfBeat(SlotIndex slot) const;
  void OnBatchStep(UnitIndex u);

  EngineContext* const context_;
  SequenceTable* const sequences_;
  TokenEmitter* const emitter_;
  const HandoffLedger* const handoffs_;
  // For how long each sequence has occupied the unit that it is on. Every token adds to it.
  IndexedVector<SlotIndex, Nanoseconds> on_unit_;
  struct Draws {
    SeededStream stream{0};
  };
  IndexedVector<SlotIndex, Draws> draws_;  // of each sequence: which drafts are accepted
  // Mutable, as orders and counts are brought up to date when they are looked at.
  mutable IndexedVector<UnitIndex, Unit> units_;
  mutable IndexedVector<LaneIndex, LaneUnits> lanes_;
  BeatAgenda beats_;
  int64_t armed_ns_ = kNotArmed;  // the instant of the timeline's event for the first beat
  // What the policy sees; reused between calls.
  mutable std::vector<DeviceIndex> shown_;
  mutable std::vector<policy::UnitView> views_;
};

}  // namespace waferline::engine
