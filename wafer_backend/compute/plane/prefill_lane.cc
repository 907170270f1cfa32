#include "wafer_backend/compute/plane/prefill_lane.h"

#include <algorithm>
#include <utility>

namespace waferline::plane {
namespace {

template <typename T>
void Append(std::vector<T> from, std::vector<T>* to) {
  for (T& item : from) to->push_back(std::move(item));
}

}  // namespace

bool InlineLane::Turn(int64_t budget, LaneResults* results) {
  const int64_t waiting = std::max<int64_t>(service_->worker().waiting(), 1);
  const bool moved = service_->Step(budget * waiting, &results->prefilled);
  Append(service_->TakeSent(), &results->sent);
  return moved;
}

void InlineLane::Count(PlaneCounters* counters) const {
  counters->prefill_tokens = service_->worker().computed_tokens();
  counters->prefill_kv = service_->worker().kv_held();
}

ThreadLane::ThreadLane(std::unique_ptr<prefill::PrefillService> service, int64_t chunk_tokens,
                       std::function<void()> wake)
    : service_(std::move(service)), chunk_tokens_(chunk_tokens), wake_(std::move(wake)) {
  thread_ = Thread([this] { Run(); });
}

ThreadLane::~ThreadLane() {
  {
    const MutexLock lock(&mutex_);
    stop_ = true;
    awake_.NotifyAll();
  }
  thread_.join();
}

void ThreadLane::Push(Command command) {
  const MutexLock lock(&mutex_);
  commands_.push_back(std::move(command));
  awake_.NotifyAll();
}

void ThreadLane::Submit(prefill::PrefillJob job) {
  Push({Command::What::kSubmit, std::move(job), 0, 0});
}

void ThreadLane::HandOff(uint64_t id, uint32_t slot) {
  Push({Command::What::kHandOff, {}, id, slot});
}

void ThreadLane::Cancel(uint64_t id) {
  Push({Command::What::kCancel, {}, id, 0});
  // What is on its way in the results is taken back here; what the thread adds before it sees the
  // command is dropped by the plane, which has forgotten the job.
  const MutexLock lock(&mutex_);
  std::erase_if(results_.prefilled, [id](const auto& result) { return result.id == id; });
  std::erase_if(results_.sent, [id](const auto& sent) { return sent.id == id; });
}

void ThreadLane::Nudge() {
  const MutexLock lock(&mutex_);
  nudged_ = true;
  awake_.NotifyAll();
}

bool ThreadLane::Turn(int64_t, LaneResults* results) {
  const MutexLock lock(&mutex_);
  const bool moved = !results_.prefilled.empty() || !results_.sent.empty();
  Append(std::exchange(results_.prefilled, {}), &results->prefilled);
  Append(std::exchange(results_.sent, {}), &results->sent);
  return moved;
}

void ThreadLane::Count(PlaneCounters* counters) const {
  const MutexLock lock(&mutex_);
  counters->prefill_tokens = computed_tokens_;
  counters->prefill_kv = pages_held_;
}

void ThreadLane::Run() {
  LaneResults results;
  bool moved = true;
  while (true) {
    std::vector<Command> commands;
    {
      const MutexLock lock(&mutex_);
      if (!moved) {
        awake_.Wait(&mutex_, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return Awake(); });
      }
      if (stop_) return;
      nudged_ = false;
      commands.swap(commands_);
    }
    for (Command& command : commands) {
      switch (command.what) {
        case Command::What::kSubmit:
          service_->Submit(std::move(command.job));
          break;
        case Command::What::kHandOff:
          service_->HandOff(command.id, command.slot);
          break;
        case Command::What::kCancel:
          service_->Cancel(command.id);
          break;
      }
    }
    moved = service_->Step(chunk_tokens_, &results.prefilled);
    Append(service_->TakeSent(), &results.sent);
    if (!moved && commands.empty()) continue;
    {
      const MutexLock lock(&mutex_);
      pages_held_ = service_->worker().kv_held();
      Append(std::exchange(results.prefilled, {}), &results_.prefilled);
      Append(std::exchange(results.sent, {}), &results_.sent);
      computed_tokens_ = service_->worker().computed_tokens();
    }
    wake_();
  }
}

}  // namespace waferline::plane
