#include "wafer_backend/compute/plane/prefill_pool.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/check.h"

namespace waferline::plane {

using State = RemotePrefill::State;

PrefillPool::PrefillPool(link::Reactor* reactor, const Options& options)
    : reactor_(reactor), options_(options) {
  for (const std::string& endpoint : options.endpoints) {
    workers_.emplace_back().link = std::make_unique<RemotePrefill>(
        reactor, RemotePrefill::Options{endpoint, options.fingerprint, options.patience});
  }
}

void PrefillPool::KeepUp(const membership::Credentials& driver, const RemoteShards& shards) {
  const Nanoseconds now = reactor_->Now();
  for (Worker& worker : workers_) {
    if (worker.link->state() == State::kDown && now >= worker.next_attempt) {
      worker.link->Connect(driver);
    }
    if (shards.state() != RemoteShards::State::kUp || worker.link->state() != State::kUp) continue;
    if (!worker.link->shards_requested()) worker.link->SetShards(shards.addresses());
    if (!worker.link->shards_connected()) continue;
    for (const auto& [job, slot] : std::exchange(worker.moving, {})) {
      worker.link->HandOff(job, slot);
    }
  }
}

void PrefillPool::Watch() {
  for (Worker& worker : workers_) worker.link->Watch();
}

Nanoseconds PrefillPool::silence() const {
  Nanoseconds longest;
  for (const Worker& worker : workers_) longest = std::max(longest, worker.link->silence());
  return longest;
}

bool PrefillPool::up() const {
  return std::any_of(workers_.begin(), workers_.end(),
                     [](const Worker& worker) { return worker.link->state() == State::kUp; });
}

bool PrefillPool::ready() const {
  return std::any_of(workers_.begin(), workers_.end(), [](const Worker& worker) {
    return worker.link->state() == State::kUp && worker.link->shards_connected();
  });
}

void PrefillPool::ForgetShards() {
  for (Worker& worker : workers_) {
    worker.link->ForgetShards();
    worker.moving.clear();
  }
}

// One that cannot reach the shards which another one reaches is of no use: it is lost.
PrefillPool::Losses PrefillPool::TakeLosses() {
  Losses losses;
  for (Worker& worker : workers_) {
    const absl::Status shards = worker.link->TakeShardLoss();
    if (shards.ok()) continue;
    if (ready()) {
      worker.link->Fail(shards);
    } else {
      losses.shards = shards;
    }
  }
  for (size_t i = 0; i < workers_.size(); ++i) Lose(i, &losses);
  return losses;
}

void PrefillPool::Lose(size_t index, Losses* losses) {
  Worker& worker = workers_[index];
  const RemoteShards::Loss loss = worker.link->TakeLoss();
  if (loss.why.ok()) return;
  losses->why = loss.why;
  losses->was_up |= loss.was_up;
  worker.next_attempt = reactor_->Now() + options_.between_attempts;
  worker.positions = 0;
  worker.moving.clear();
  std::erase_if(jobs_, [&](const auto& entry) {
    if (entry.second.worker != index) return false;
    losses->jobs.push_back(entry.first);
    return true;
  });
}

void PrefillPool::Fail(const absl::Status& why) {
  for (Worker& worker : workers_) worker.link->Fail(why);
}

void PrefillPool::Submit(prefill::PrefillJob job) {
  Worker* chosen = nullptr;
  for (Worker& worker : workers_) {
    const bool can = worker.link->state() == State::kUp && worker.link->shards_connected();
    if (can && (chosen == nullptr || worker.positions < chosen->positions)) chosen = &worker;
  }
  WL_CHECK(chosen != nullptr);
  const size_t positions = job.tokens.size();
  jobs_[job.id] = {static_cast<size_t>(chosen - workers_.data()), positions};
  chosen->positions += positions;
  chosen->link->Submit(std::move(job));
}

void PrefillPool::HandOff(uint64_t job, uint32_t slot) {
  const auto found = jobs_.find(job);
  if (found == jobs_.end()) return;
  Worker& worker = workers_[found->second.worker];
  if (worker.link->shards_connected()) return worker.link->HandOff(job, slot);
  worker.moving.emplace_back(job, slot);
}

void PrefillPool::Cancel(uint64_t job) {
  const auto found = jobs_.find(job);
  if (found == jobs_.end()) return;
  Worker& worker = workers_[found->second.worker];
  std::erase_if(worker.moving, [job](const auto& each) { return each.first == job; });
  worker.link->Cancel(job);
  End(job);
}

void PrefillPool::End(uint64_t job) {
  const auto found = jobs_.find(job);
  if (found == jobs_.end()) return;
  workers_[found->second.worker].positions -= found->second.positions;
  jobs_.erase(found);
}

void PrefillPool::TakeResults(BackendEvents* events) {
  const size_t prefilled = events->prefilled.size(), handed_off = events->handed_off.size();
  for (Worker& worker : workers_) worker.link->TakeResults(events);
  for (size_t i = prefilled; i < events->prefilled.size(); ++i) {
    if (!events->prefilled[i].status.ok()) End(events->prefilled[i].id);
  }
  for (size_t i = handed_off; i < events->handed_off.size(); ++i) End(events->handed_off[i].job);
}

absl::Status PrefillPool::CheckPages(uint32_t page_tokens) const {
  for (size_t i = 0; i < workers_.size(); ++i) {
    const RemotePrefill& worker = *workers_[i].link;
    if (worker.state() != State::kUp || worker.page_tokens() == page_tokens) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        "the pages of the prefill worker at ", options_.endpoints[i], " hold ",
        worker.page_tokens(), " positions, the shards' ", page_tokens, "; set them equal"));
  }
  return absl::OkStatus();
}

}  // namespace waferline::plane
