#include "scheduler/engine/engine.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "scheduler/engine/engine_state.h"
#include "wafer_backend/base/check.h"

namespace waferline::engine {
namespace {

constexpr uint32_t kMostSequences = 1 << 24;  // a payload has 24 bits for a slot

absl::Status CheckUnit(const DecodeUnitSpec& unit) {
  if ((unit.pipeline == nullptr) == (unit.batch == nullptr)) {
    return absl::InvalidArgumentError("needs a pipeline or a batch device, and not both");
  }
  if (unit.max_running < 1) return absl::InvalidArgumentError("max_running is below 1");
  return StageLedger::Check(unit.memory);
}

absl::Status CheckWorker(const PrefillWorkerSpec& worker) {
  if (worker.device == nullptr) return absl::InvalidArgumentError("has no device");
  if (worker.step_tokens < Tokens(1)) return absl::InvalidArgumentError("step_tokens is below 1");
  if (worker.backlog_tokens < Tokens(1)) {
    return absl::InvalidArgumentError("backlog_tokens is below 1");
  }
  if (worker.memory_tokens < Tokens(1)) {
    return absl::InvalidArgumentError("memory_tokens is below 1");
  }
  return absl::OkStatus();
}

absl::Status CheckLane(const LaneSpec& lane) {
  if (lane.values == nullptr) return absl::InvalidArgumentError("has no value source");
  if (lane.workers.empty()) return absl::InvalidArgumentError("has no prefill worker");
  if (lane.units.empty()) return absl::InvalidArgumentError("has no decode unit");
  if (lane.block_tokens < 1) return absl::InvalidArgumentError("block_tokens is below 1");
  if (lane.order.aging < Nanoseconds(1)) return absl::InvalidArgumentError("aging is below 1 ns");
  if (lane.reserve == Reserve::kAtHandoff && lane.overlap != Overlap::kNone) {
    return absl::InvalidArgumentError(
        "overlap needs the unit to be known before prefill: reserve at prefill");
  }
  if (lane.reserve == Reserve::kAtHandoff && lane.preempt) {
    return absl::InvalidArgumentError("preempt needs room to be taken at prefill");
  }
  if (lane.reserve == Reserve::kAtHandoff && lane.local_prefill.max_fresh_tokens > 0) {
    return absl::InvalidArgumentError("local_prefill needs room to be taken at prefill");
  }
  if (lane.limits.heartbeat < Nanoseconds(1)) {
    return absl::InvalidArgumentError("heartbeat is below 1 ns");
  }
  if (lane.limits.lost_heartbeats < 1) {
    return absl::InvalidArgumentError("lost_heartbeats is below 1");
  }
  for (const double p : lane.speculation.acceptance) {
    if (!(p >= 0 && p <= 1)) return absl::InvalidArgumentError("acceptance is outside [0, 1]");
  }
  for (const PrefillWorkerSpec& worker : lane.workers) {
    if (absl::Status s = CheckWorker(worker); !s.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("worker \"", worker.name, "\": ", s.message()));
    }
  }
  for (const DecodeUnitSpec& unit : lane.units) {
    absl::Status s = CheckUnit(unit);
    if (s.ok() && unit.prefix_cache &&
        lane.block_tokens % unit.memory.front().page_tokens.count() != 0) {
      s = absl::InvalidArgumentError("block_tokens is not a multiple of the unit's page");
    }
    if (!s.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("unit \"", unit.name, "\": ", s.message()));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> Engine::Create(const EngineOptions& options,
                                                       Timeline* timeline,
                                                       std::vector<LaneSpec> lanes,
                                                       std::vector<EngineObserver*> observers) {
  if (options.max_sequences < 1 || options.max_sequences >= kMostSequences) {
    return absl::InvalidArgumentError("max_sequences is not within 1 .. 16777215");
  }
  for (size_t i = 0; i < lanes.size(); ++i) {
    if (absl::Status s = CheckLane(lanes[i]); !s.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("model \"", lanes[i].model, "\": ", s.message()));
    }
    for (size_t j = 0; j < i; ++j) {
      if (lanes[j].model == lanes[i].model) {
        return absl::InvalidArgumentError(
            absl::StrCat("model \"", lanes[i].model, "\" has two lanes"));
      }
    }
  }
  return std::make_unique<EngineState>(options, timeline, std::move(lanes), std::move(observers));
}

EngineState::EngineState(const EngineOptions& options, Timeline* timeline,
                         std::vector<LaneSpec> specs, std::vector<EngineObserver*> observers)
    : options_(options),
      timeline_(timeline),
      observers_(std::move(observers)),
      hot_(options.max_sequences),
      sequences_(options.max_sequences) {
  for (uint32_t slot = options.max_sequences; slot-- > 0;) free_slots_.push_back(slot);
  for (LaneSpec& spec : specs) {
    const auto index = static_cast<uint32_t>(lanes_.size());
    Lane& lane = lanes_.emplace_back();
    lane.spec = std::move(spec);
    lane_by_model_.emplace(lane.spec.model, index);
    lane.draft_width = 1 + static_cast<int>(lane.spec.speculation.acceptance.size());
    lane.queue = std::make_unique<WaitQueue>(
        lane.spec.order.fair_tenants, [this](const WaitQueue::Entry& entry) {
          return hot_[entry.slot].generation == entry.generation &&
                 std::holds_alternative<Admitted>(sequences_[entry.slot].stage);
        });
    for (int c = 0; c < policy::kQueueClasses; ++c) {
      lane.places[c] = std::make_unique<PlacePool>(Places(lane.spec.admission.max_waiting[c]));
    }
    for (const PrefillWorkerSpec& s : lane.spec.workers) {
      lane.workers.push_back(static_cast<uint32_t>(workers_.size()));
      Worker& worker = workers_.emplace_back();
      worker.spec = s;
      worker.lane = index;
      worker.index = static_cast<uint32_t>(lane.workers.size() - 1);
      worker.memory = std::make_unique<TokenPool>(s.memory_tokens);
      const PrefillChunk full{s.step_tokens, Tokens()};
      worker.tokens_per_ns =
          s.step_tokens.as_double() / std::max(1.0, s.device->StepTime({&full, 1}).as_double());
      if (s.cache_tokens > Tokens()) {
        worker.cache_blocks = std::make_unique<PagePool>(
            Pages(std::max<int64_t>(1, s.cache_tokens.count() / lane.spec.block_tokens)));
        worker.cache = std::make_unique<BlockCache>(worker.cache_blocks.get(), Pages(1));
      }
    }
    for (const DecodeUnitSpec& s : lane.spec.units) {
      lane.units.push_back(static_cast<uint32_t>(units_.size()));
      Unit& unit = units_.emplace_back();
      unit.spec = s;
      unit.lane = index;
      unit.index = static_cast<uint32_t>(lane.units.size() - 1);
      unit.ledger = std::make_unique<StageLedger>(s.memory);
      unit.seats = std::make_unique<SeatPool>(Seats(s.max_running));
      unit.depth = s.pipeline != nullptr ? s.pipeline->depth(Tokens(1)) : s.max_running;
      if (s.prefix_cache) {
        unit.cache = std::make_unique<BlockCache>(
            &unit.ledger->pages(),
            Pages(lane.spec.block_tokens / unit.ledger->page_tokens().count()));
      }
    }
  }
}

EngineState::~EngineState() {
  // Nobody is told any more; only leases go back, before their pools.
  for (Sequence& sequence : sequences_) sequence.stage = std::monostate();
}

SequenceInfo EngineState::NoteOf(uint32_t slot) const {
  const HotSequence& hot = hot_[slot];
  const Sequence& sequence = sequences_[slot];
  return {hot.lane, slot, hot.ordinal, sequence.ticket, &sequence.request, sequence.arrival};
}

void EngineState::Submit(Ticket ticket, ValidRequest request) {
  const auto it = lane_by_model_.find(request.model);
  if (it == lane_by_model_.end() || free_slots_.empty()) {
    const bool unknown = it == lane_by_model_.end();
    // Every slot is taken: one is free again when something ends, which is soon.
    const Nanoseconds retry = unknown ? Nanoseconds() : Milliseconds(100);
    ++refused_;
    observers_.Notify([&](EngineObserver& o) {
      o.OnRefused({unknown ? 0 : it->second, 0, 0, ticket, &request, now()},
                  unknown ? policy::RefusalCause::kUnknownModel : policy::RefusalCause::kQueueFull,
                  retry);
    });
    if (request.sink) {
      request.sink->OnRefused(
          {unknown ? absl::NotFoundError(absl::StrCat("no model \"", request.model, "\" here"))
                   : absl::UnavailableError("the service has as many requests as it can hold"),
           retry});
    }
    return;
  }
  const uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  ++occupied_;
  slot_of_ticket_.emplace(ticket, slot);
  Sequence& s = sequences_[slot];
  HotSequence& hot = hot_[slot];
  s.ticket = ticket;
  s.request = std::move(request);
  s.arrival = now();
  hot.lane = static_cast<uint16_t>(it->second);
  Arrive(slot);
}

void EngineState::Cancel(Ticket ticket) {
  const auto it = slot_of_ticket_.find(ticket);
  if (it == slot_of_ticket_.end()) return;
  End(it->second, FinishReason::kCancelled, absl::CancelledError("the client went away"));
}

void EngineState::Resume(Ticket ticket) {
  const auto it = slot_of_ticket_.find(ticket);
  if (it != slot_of_ticket_.end()) Unpark(it->second);
}

void EngineState::GiveUpOnReaders() {
  for (uint32_t slot = 0; slot < hot_.size() && held_readers_ > 0; ++slot) {
    if (hot_[slot].flags & HotSequence::kHeldReader) {
      End(slot, FinishReason::kFailed, absl::ResourceExhaustedError("the reader is too slow"));
    }
  }
}

uint32_t EngineState::Abort(std::string_view request_id, const absl::Status& status) {
  uint32_t ended = 0;
  for (uint32_t slot = 0; slot < hot_.size(); ++slot) {
    const Sequence& sequence = sequences_[slot];
    if (std::holds_alternative<std::monostate>(sequence.stage)) continue;
    if (sequence.request.request_id != request_id) continue;
    End(slot, FinishReason::kCancelled, status);
    ++ended;
  }
  return ended;
}

void EngineState::AbortAll(const absl::Status& status) {
  for (uint32_t slot = 0; slot < hot_.size() && occupied_ > 0; ++slot) {
    if (std::holds_alternative<std::monostate>(sequences_[slot].stage)) continue;
    End(slot, FinishReason::kCancelled, status);
  }
}

void EngineState::ResetPrefixCaches() {
  const Pages everything(std::numeric_limits<int64_t>::max());
  for (Worker& worker : workers_) {
    if (worker.cache) worker.cache->MakeRoom(everything);
  }
  for (Unit& unit : units_) {
    if (unit.cache) unit.cache->MakeRoom(everything);
    lanes_[unit.lane].dirty = any_dirty_ = true;
  }
}

Engine::Pause EngineState::RunUntil(Nanoseconds limit) {
  limit_ = limit;
  for (;;) {
    blocked_ = !SettleDue() || held_readers_ > 0;
    if (blocked_) return Pause::kBlocked;
    DispatchDirty();
    // Dispatching emits nothing, but a lane may have become dirty anew (a preemption).
    if (any_dirty_) continue;
    if (timeline_->empty()) return Pause::kIdle;
    if (timeline_->next_instant() > limit) return Pause::kLimit;
    ++events_;
    timeline_->DeliverNext();
  }
}

bool EngineState::SettleDue() {
  while (!due_.empty()) {
    Due& due = due_.front();
    if (due.tokens == 0) {
      const uint32_t unit = due.index;
      due_.pop_front();
      StartBatchStep(unit);
      continue;
    }
    if (hot_[due.index].generation == due.generation) {
      const uint32_t slot = due.index;
      if (!EmitBurst(slot, &due.tokens)) return false;
      const bool lives = hot_[slot].generation == due_.front().generation;
      due_.pop_front();
      if (lives) AfterEmission(slot);
    } else {
      due_.pop_front();
    }
  }
  return true;
}

void EngineState::DispatchDirty() {
  if (!any_dirty_) return;
  any_dirty_ = false;
  for (uint32_t i = 0; i < lanes_.size(); ++i) {
    if (!lanes_[i].dirty) continue;
    lanes_[i].dirty = false;
    FindRoomForWaiting(i);
    Dispatch(i);
  }
}

void EngineState::OnEvent(uint64_t payload) {
  const auto kind = static_cast<Kind>(payload >> 56);
  const uint32_t index = (payload >> 32) & 0xffffff;
  const auto generation = static_cast<uint32_t>(payload);
  switch (kind) {
    case Kind::kBeat:
      return OnBeat();
    case Kind::kDeadline:
      if (sequences_[index].life == generation) {
        End(index, FinishReason::kDeadline, absl::DeadlineExceededError("the deadline has passed"));
      }
      return;
    case Kind::kWorkerStep:
      return OnStepEnd(index, generation);
    case Kind::kLayerFlows:
      return OnLayerFlows(index, generation);
    case Kind::kFlowArrived:
      return OnFlowArrived(index, generation);
    case Kind::kBatchStep:
      return OnBatchStep(index, generation);
    case Kind::kReaderGrace: {
      const Nanoseconds grace = lanes_[hot_[index].lane].spec.limits.reader_grace;
      if (hot_[index].generation == generation && (hot_[index].flags & HotSequence::kParked) &&
          sequences_[index].parked_at + grace == now()) {
        End(index, FinishReason::kFailed, absl::ResourceExhaustedError("the reader is too slow"));
      }
      return;
    }
    case Kind::kHeartbeat:
      return OnHeartbeat(index, generation);
  }
}

}  // namespace waferline::engine
