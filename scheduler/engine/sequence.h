// One request in flight. What its tokens touch lies in one cache line (HotSequence); the rest, and
// what it holds, in Sequence. A slot is a place in both arrays of SequenceTable.
//
// What a request holds is its stage's object: each stage is made from the one before it, so that
// nothing is skipped, and releases by destruction what the next one does not need. A restart goes
// back to a new Admitted.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "scheduler/engine/block_cache.h"
#include "scheduler/engine/indices.h"
#include "scheduler/engine/observer.h"
#include "scheduler/engine/stage_ledger.h"
#include "scheduler/policy/admission.h"
#include "scheduler/policy/tiers.h"
#include "scheduler/request/service_tier.h"
#include "scheduler/request/valid_request.h"
#include "wafer_backend/base/lease.h"

namespace waferline::engine {

// A place in a class's bounded queue.
using Places = Quantity<struct PlacesUnit>;
using PlacePool = LeasePool<Places>;
using TokenPool = LeasePool<Tokens>;

// Room on a decode unit: one of its running slots, pages on every stage, and the part of the prompt
// that is there already.
struct Room {
  UnitIndex unit;
  RunningSlotPool::Lease running;
  PagePool::Lease pages;
  BlockCache::Pin prefix;
  uint32_t prefix_tokens = 0;
};

// Waits in its queue.
struct Admitted {
  PlacePool::Lease place;  // none after a restart: it was let in already
};

// Its prompt is being computed, or about to be.
struct Prefilling {
  explicit Prefilling(Admitted&&) {}  // the place in the queue is free again
  std::optional<WorkerIndex> worker;  // none: its unit computes the prompt
  TokenPool::Lease memory;            // of the worker
  BlockCache::Pin cached;             // on the worker
  std::optional<Room> room;           // always under Reserve::kAtPrefill
};

// Computed; its KV moves to the unit, or waits for room there.
struct Prefilled {
  explicit Prefilled(Prefilling&& p)
      : worker(*p.worker),
        memory(std::move(p.memory)),
        cached(std::move(p.cached)),
        room(std::move(p.room)) {}
  WorkerIndex worker;
  TokenPool::Lease memory;
  BlockCache::Pin cached;
  std::optional<Room> room;
};

// On its unit; the worker has nothing of it any more.
struct Resident {
  explicit Resident(Prefilled&& p) : room(*std::move(p.room)) {}
  explicit Resident(Prefilling&& p) : room(*std::move(p.room)) {}  // was computed on the unit
  Room room;
};

using Stage = std::variant<std::monostate, Admitted, Prefilling, Prefilled, Resident>;

// What it holds on a unit; null if nothing.
inline const Room* RoomOf(const Stage& stage) {
  if (const auto* p = std::get_if<Prefilling>(&stage)) return p->room ? &*p->room : nullptr;
  if (const auto* p = std::get_if<Prefilled>(&stage)) return p->room ? &*p->room : nullptr;
  if (const auto* p = std::get_if<Resident>(&stage)) return &p->room;
  return nullptr;
}

// The worker whose memory it holds.
inline std::optional<WorkerIndex> WorkerOf(const Stage& stage) {
  if (const auto* p = std::get_if<Prefilling>(&stage)) return p->worker;
  if (const auto* p = std::get_if<Prefilled>(&stage)) return p->worker;
  return std::nullopt;
}

struct alignas(64) HotSequence {
  int64_t last_token_ns = 0;  // or the arrival
  uint64_t ordinal = 0;
  SequenceId id;            // with the value source; new at every restart
  uint32_t generation = 0;  // of the slot: changes at every restart and end
  uint32_t generated = 0;   // tokens handed over
  uint32_t max_tokens = 0;
  uint32_t kv_length = 0;  // positions that the next beat attends to
  uint32_t wanted = 0;     // values asked for
  LaneIndex lane;
  UnitIndex unit;  // of its room
  uint8_t flags = 0;
  TokenSink* sink = nullptr;

  enum Flag : uint8_t {
    kHasEndIds = 1,
    kKeepsIds = 2,
    kParked = 4,         // the reader is full: no beat
    kAwaitsEntry = 8,    // would be in the pipeline if it were not parked
    kPrefillsHere = 16,  // its next beat is its prompt
    kHeldReader = 32,    // emulated time stands still for its reader
    kPlain = 64,         // on a pipeline, with neither values nor reader: its tokens just leave
  };
  static constexpr uint8_t kRequestFlags = kHasEndIds | kKeepsIds;  // these survive a restart
};
static_assert(sizeof(HotSequence) == 64);

struct Sequence {
  ValidRequest request;
  std::shared_ptr<const PromptOutline> outline;
  Ticket ticket;
  Stage stage;
  uint32_t life = 0;  // of the slot: changes at every end, not at restarts
  policy::QueueClass queue_class = policy::QueueClass::kDefault;
  int64_t order_key = 0;

  Nanoseconds arrival;
  Nanoseconds first_token_at;
  Phase phase = Phase::kQueue;
  Nanoseconds phase_since;
  std::array<Nanoseconds, kPhases> spent{};
  Nanoseconds& spent_in(Phase p) { return spent[static_cast<size_t>(p)]; }
  Nanoseconds spent_in(Phase p) const { return spent[static_cast<size_t>(p)]; }

  std::vector<TokenId> generated;  // if the lane keeps ids
  uint32_t restarts = 0;           // after faults
  uint32_t preemptions = 0;
  uint32_t cached_tokens = 0;       // of the prompt, at its first prefill
  policy::TierChoice waits_for;     // which of the lane's queues it is in
  UnitTier tier = UnitTier::kFast;  // of its unit; until it has one, that which it waits for
  uint32_t promised = 0;            // tokens that the tier owes it (TierUse)
  ServiceTier served = ServiceTier::kDefault;  // as Outcome's
  ComputeUse compute;                          // of the devices that it has left

  uint32_t prefill_total = 0;  // prompt and what was generated before a restart
  uint32_t prefill_done = 0;
  uint32_t burst_left = 0;  // tokens of a beat that a full reader did not take yet
  Nanoseconds parked_at;

  // Restarted, it has neither: its prompt is computed here.
  bool takes_remote_kv() const {
    return request.leg == KvLeg::kDecode && restarts + preemptions == 0;
  }
  bool ends_at_prefill() const { return request.leg == KvLeg::kPrefill; }
  // The prompt and every token that may follow it.
  Tokens total_tokens() const {
    return Tokens(outline->tokens + std::max<int64_t>(1, request.max_tokens));
  }
};

}  // namespace waferline::engine
