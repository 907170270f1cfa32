// Engines behind one front door, each with its own thread, timeline and models: what one of them
// waits for stops no other. A stepped cloud has a single engine, since one timeline for all its
// models is what makes a schedule repeatable.
//
// Owner: server/app; the threads outlive it. Thread: any; no call blocks, but Stop.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "scheduler/engine/snapshot.h"
#include "scheduler/request/front_door.h"
#include "server/runtime/engine_thread.h"

namespace waferline::runtime {

class EngineGroup : public FrontDoor {
 public:
  struct Member {
    EngineThread* thread = nullptr;  // its tickets: TicketsOf(its number, how many there are)
    std::vector<std::string> models;
  };
  explicit EngineGroup(std::vector<Member> members);
  static TicketSeries TicketsOf(size_t member, size_t members) { return {member + 1, members}; }

  // FrontDoor. A model that no engine has goes to the first, which refuses it.
  absl::StatusOr<Ticket> Submit(ValidRequest request) override;
  void Cancel(Ticket ticket) override;
  void Resume(Ticket ticket) override;
  void Skip(const OwnArrival& own) override;

  // Runs `each` on every engine's thread between two events, and then `done` on the last of them.
  // False if an engine has stopped or its queue is full: `done` is not called then, `each` perhaps
  // for some.
  using Each = std::function<void(size_t member, engine::Engine&)>;
  bool Post(const Each& each, std::function<void()> done);
  // The engines' snapshots as one (engine::Merged).
  bool Snapshot(std::function<void(engine::EngineSnapshot)> done);
  // Ends this request; `done` gets how many sequences that were.
  bool Abort(const RequestName& name, const absl::Status& status,
             std::function<void(uint32_t)> done);
  void Drain();
  void EndDrain();
  // All at once: drain, wait for what is in flight up to the bound, abort the rest, join.
  void Stop();

  const std::vector<Member>& members() const { return members_; }
  // The longest of any engine: how long since its thread last ended a turn.
  Nanoseconds progress_age() const;

 private:
  EngineThread& ThreadOf(Ticket ticket) const;

  const std::vector<Member> members_;
  std::unordered_map<std::string, EngineThread*> by_model_;
};

}  // namespace waferline::runtime
