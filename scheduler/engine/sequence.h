// One request in flight. What its tokens touch lies in one cache line (HotSequence); the rest, and
// what it holds, in Sequence. A slot is a place in both arrays.
//
// What a request holds is its stage's object: each stage is made from the one before it, so that
// nothing is skipped, and gives back by destruction what the next one does not need. Going back (a
// restart) is a new Admitted.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "scheduler/engine/block_cache.h"
#include "scheduler/engine/observer.h"
#include "scheduler/engine/stage_ledger.h"
#include "scheduler/policy/admission.h"
#include "scheduler/request/valid_request.h"
#include "wafer_backend/api/devices.h"
#include "wafer_backend/base/lease.h"

namespace waferline::engine {

// A place in a class's bounded queue.
using Places = Quantity<struct PlacesUnit>;
using PlacePool = LeasePool<Places>;
using TokenPool = LeasePool<Tokens>;

// Room on a decode unit: a slot, pages on every stage, and the part of the prompt that lies there.
struct Room {
  uint32_t unit = 0;
  SeatPool::Lease seat;
  PagePool::Lease pages;
  BlockCache::Pin prefix;
  uint32_t prefix_tokens = 0;
};

// Waits in its queue.
struct Admitted {
  PlacePool::Lease place;  // none after a restart: it was let in already
};

// On a worker (or on its unit, if that prefills): being computed, or about to.
struct Prefilling {
  explicit Prefilling(Admitted&&) {}  // the place in the queue is free again
  uint32_t worker = kOnUnit;
  TokenPool::Lease memory;
  BlockCache::Pin cached;
  bool has_room = false;  // always under Reserve::kAtPrefill
  Room room;
  static constexpr uint32_t kOnUnit = 0xffffffff;
};

// Computed; its KV moves to the unit, or waits for room there.
struct Prefilled {
  explicit Prefilled(Prefilling&& p)
      : worker(p.worker),
        memory(std::move(p.memory)),
        cached(std::move(p.cached)),
        has_room(p.has_room),
        room(std::move(p.room)) {}
  uint32_t worker;
  TokenPool::Lease memory;
  BlockCache::Pin cached;
  bool has_room;
  Room room;
};

// On its unit; the worker has nothing of it any more.
struct Resident {
  explicit Resident(Prefilled&& p) : room(std::move(p.room)) {}
  explicit Resident(Prefilling&& p) : room(std::move(p.room)) {}  // was computed on the unit
  Room room;
};

using Stage = std::variant<std::monostate, Admitted, Prefilling, Prefilled, Resident>;

// What it holds on a unit; null if nothing.
inline const Room* RoomOf(const Stage& stage) {
  if (const auto* p = std::get_if<Prefilling>(&stage)) return p->has_room ? &p->room : nullptr;
  if (const auto* p = std::get_if<Prefilled>(&stage)) return p->has_room ? &p->room : nullptr;
  if (const auto* p = std::get_if<Resident>(&stage)) return &p->room;
  return nullptr;
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
  uint16_t lane = 0;
  uint8_t flags = 0;
  uint32_t unit = 0;
  TokenSink* sink = nullptr;

  enum Flag : uint8_t {
    kHasEndIds = 1,
    kKeepsIds = 2,
    kParked = 4,         // the reader is full: no beat
    kAwaitsEntry = 8,    // would be in the pipeline if it were not parked
    kPrefillsHere = 16,  // its next beat is its prompt
    kHeldReader = 32,    // emulated time stands still for its reader
  };
};
static_assert(sizeof(HotSequence) == 64);

// Renewed as long as bytes move (LaneLimits::heartbeat).
struct HandoffLease {
  Bytes started;
  Bytes moved;  // of those, at the last heartbeat
  uint32_t lost = 0;
  bool could_move = false;  // bytes were there, on a link as it is now, since the last heartbeat
  bool beats = false;       // the next heartbeat is scheduled
};

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

  std::vector<TokenId> generated;  // if the lane keeps ids
  uint32_t restarts = 0;           // after faults
  uint32_t preemptions = 0;
  uint32_t cached_tokens = 0;  // of the prompt, at its first prefill

  // Prefill and hand-off under way.
  uint32_t prefill_total = 0;  // prompt and what was generated before a restart
  uint32_t prefill_done = 0;
  uint32_t moved_to = 0;  // positions before it are on the unit or on their way
  uint32_t flows_open = 0;
  std::vector<KvLink::Transfer> flows;
  HandoffLease lease;
  uint32_t burst_left = 0;  // tokens of a beat that a full reader did not take yet
  Nanoseconds parked_at;
};

}  // namespace waferline::engine
