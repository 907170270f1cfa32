// What the engine's thread does, turn by turn: takes its inbox, delivers what is due by its clock,
// and waits. One mechanism for both clocks: emulated time stands still while the engine is blocked.
//
// Owner: EngineThread. Thread: the engine's, except inbox, the two times and what is constant.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "scheduler/engine/engine.h"
#include "server/runtime/arrival_feed.h"
#include "server/runtime/engine_thread.h"
#include "server/runtime/inbox.h"
#include "server/runtime/lateness_meter.h"
#include "server/runtime/pace.h"
#include "server/runtime/wall_wait.h"

namespace waferline::runtime {

class EngineLoop {
 public:
  EngineLoop(const EngineThreadOptions& options, Timeline* timeline, LatenessObserver* lateness);

  // Until the inbox says stop and what is in flight has ended, or the bound for that has passed.
  void Run(engine::Engine* engine);
  // Ends this request, wherever it stands; gives how many sequences.
  uint32_t Abort(const RequestName& name, const absl::Status& status);

  bool real() const { return options_.clock.kind == ClockKind::kReal; }
  Inbox& inbox() { return inbox_; }
  engine::EngineObserver* observer() { return &meter_; }
  // When the last turn began, on the wall; 0: none has.
  int64_t last_turn_ns() const { return last_turn_ns_.load(std::memory_order_relaxed); }
  // Since when emulated time stands still, on the wall; 0: it moves.
  int64_t blocked_since_ns() const { return blocked_shown_ns_.load(std::memory_order_relaxed); }

 private:
  void TakeInbox();
  void Admit(Inbox::Submitted request);
  void Submit(Inbox::Submitted request);
  void Cancel(Ticket ticket);
  void TurnReal();
  void TurnStepped();
  bool RunTo(Nanoseconds limit);
  void Block(int64_t wall_ns);
  void Unblock(int64_t wall_ns);
  void EndOverdue(int64_t wall_ns);
  void WaitForValues();
  void Wait(int64_t wall_ns);
  void Finish();
  absl::Status TimeHasEnded() const;

  const EngineThreadOptions options_;
  Timeline* const timeline_;
  LatenessObserver* const lateness_;
  Inbox inbox_;
  LatenessMeter meter_;
  Pace pace_;
  WallWait wait_;
  ArrivalFeed feed_;
  std::atomic<int64_t> last_turn_ns_{0};
  engine::Engine* engine_ = nullptr;
  std::optional<int64_t> blocked_since_ns_;   // emulated time stands still
  std::atomic<int64_t> blocked_shown_ns_{0};  // the same, for other threads
  int64_t overdue_ended_ns_ = 0;
  int64_t taken_at_ns_ = 0;  // when values that time stood still for were last taken
  bool drained_ = false;
  bool over_ = false;
  std::optional<int64_t> stop_at_ns_;
};

}  // namespace waferline::runtime
