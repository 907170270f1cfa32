#include "wafer_backend/compute/prefill/prefill_service.h"

#include <utility>

namespace waferline::prefill {

void PrefillService::SetTargets(std::vector<KvTarget> targets) {
  targets_ = std::move(targets);
  for (const Sending& sending : sending_) {
    sent_.push_back({sending.id, absl::UnavailableError("the shards changed during a hand-off")});
    finished_.erase(sending.id);
    worker_->Release(sending.id);
  }
  sending_.clear();
}

void PrefillService::Submit(PrefillJob job) {
  const uint64_t id = job.id;
  absl::Status status = worker_->Submit(std::move(job));
  if (!status.ok()) refused_.push_back({id, std::move(status), {}, {}});
}

void PrefillService::HandOff(uint64_t id, uint32_t slot) {
  if (finished_.contains(id)) {
    sending_.push_back({id, slot, 0, {}, 0});
  } else if (worker_->Has(id)) {
    asked_[id] = slot;
  }
}

void PrefillService::Cancel(uint64_t id) {
  asked_.erase(id);
  finished_.erase(id);
  std::erase_if(sending_, [id](const Sending& sending) { return sending.id == id; });
  std::erase_if(refused_, [id](const Prefilled& result) { return result.id == id; });
  worker_->Release(id);
}

bool PrefillService::Step(int64_t budget, std::vector<Prefilled>* done) {
  bool moved = SendPages();
  if (!refused_.empty()) {
    moved = true;
    for (Prefilled& result : refused_) done->push_back(std::move(result));
    refused_.clear();
  }
  if (!worker_->HasWork()) return moved;
  const size_t before = done->size();
  worker_->RunChunk(budget, done);
  for (size_t i = before; i < done->size(); ++i) {
    const uint64_t id = (*done)[i].id;
    finished_.insert(id);
    if (const auto asked = asked_.find(id); asked != asked_.end()) {
      sending_.push_back({id, asked->second, 0, {}, 0});
      asked_.erase(asked);
    }
  }
  SendPages();
  return true;
}

bool PrefillService::SendPages() {
  bool moved = false;
  while (!sending_.empty()) {
    Sending& sending = sending_.front();
    absl::Status status;
    while (sending.target < targets_.size()) {
      const KvTarget& target = targets_[sending.target];
      if (!target.outlet->HasRoom()) return moved;
      if (sending.next == 0) sending.parts = worker_->KvParts(sending.id, target.range);
      worker_->FillKvFrame(sending.id, sending.parts[sending.next], &frame_);
      frame_.slot = sending.slot;
      frame_.last = sending.next + 1 == sending.parts.size();
      status = target.outlet->Send(frame_);
      if (!status.ok()) break;
      moved = true;
      ++sending.next;
      if (!frame_.last) continue;
      sending.next = 0;
      ++sending.target;
    }
    if (targets_.empty())
      status = absl::UnavailableError("the prefill pool is not connected to any shard");
    sent_.push_back({sending.id, std::move(status)});
    finished_.erase(sending.id);
    worker_->Release(sending.id);
    sending_.pop_front();
    moved = true;
  }
  return moved;
}

}  // namespace waferline::prefill
