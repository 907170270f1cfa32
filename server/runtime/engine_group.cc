#include "server/runtime/engine_group.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>

#include "wafer_backend/base/check.h"

namespace waferline::runtime {

EngineGroup::EngineGroup(std::vector<Member> members) : members_(std::move(members)) {
  WL_CHECK(!members_.empty());
  for (const Member& member : members_) {
    for (const std::string& model : member.models) by_model_[model] = member.thread;
  }
}

absl::StatusOr<Ticket> EngineGroup::Submit(ValidRequest request) {
  const auto found = by_model_.find(request.model);
  EngineThread* const thread = found == by_model_.end() ? members_[0].thread : found->second;
  return thread->Submit(std::move(request));
}

EngineThread& EngineGroup::ThreadOf(Ticket ticket) const {
  return *members_[(ticket.value - 1) % members_.size()].thread;
}

void EngineGroup::Cancel(Ticket ticket) { ThreadOf(ticket).Cancel(ticket); }
void EngineGroup::Resume(Ticket ticket) { ThreadOf(ticket).Resume(ticket); }
// A stepped cloud has one engine; the others of a real clock take no own arrivals.
void EngineGroup::Skip(const OwnArrival& own) { members_[0].thread->Skip(own); }

bool EngineGroup::Post(const Each& each, std::function<void()> done) {
  const auto left = std::make_shared<std::atomic<size_t>>(members_.size());
  for (size_t i = 0; i < members_.size(); ++i) {
    const bool posted = members_[i].thread->Post([i, each, left, done](engine::Engine& engine) {
      each(i, engine);
      if (left->fetch_sub(1) == 1) done();
    });
    if (!posted) return false;
  }
  return true;
}

bool EngineGroup::Snapshot(std::function<void(engine::EngineSnapshot)> done) {
  const auto parts = std::make_shared<std::vector<engine::EngineSnapshot>>(members_.size());
  return Post([parts](size_t i, engine::Engine& engine) { (*parts)[i] = engine.Snapshot(); },
              [parts, done] { done(engine::Merged(std::move(*parts))); });
}

bool EngineGroup::Abort(const RequestName& name, const absl::Status& status,
                        std::function<void(uint32_t)> done) {
  struct Sum {
    explicit Sum(size_t engines) : left(engines) {}
    std::atomic<size_t> left;
    std::atomic<uint32_t> sequences{0};
  };
  const auto sum = std::make_shared<Sum>(members_.size());
  for (const Member& member : members_) {
    const bool posted = member.thread->Abort(name, status, [sum, done](uint32_t sequences) {
      sum->sequences += sequences;
      if (sum->left.fetch_sub(1) == 1) done(sum->sequences);
    });
    if (!posted) return false;
  }
  return true;
}

void EngineGroup::Drain() {
  for (const Member& member : members_) member.thread->Drain();
}

void EngineGroup::EndDrain() {
  for (const Member& member : members_) member.thread->EndDrain();
}

void EngineGroup::Stop() {
  for (const Member& member : members_) member.thread->StartStopping();
  for (const Member& member : members_) member.thread->Stop();
}

Nanoseconds EngineGroup::progress_age() const {
  Nanoseconds longest;
  for (const Member& member : members_) longest = std::max(longest, member.thread->progress_age());
  return longest;
}

}  // namespace waferline::runtime
