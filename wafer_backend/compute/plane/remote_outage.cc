// RemoteBackend's outages: what a lost worker costs, how it is reached again, and when that is
// given up.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/retry_hint.h"
#include "wafer_backend/compute/plane/remote_backend.h"

namespace waferline::plane {
namespace {

constexpr char kShardLost[] = "a decode shard was lost: ";
constexpr char kPrefillLost[] = "the prefill worker was lost: ";

}  // namespace

void RemoteBackend::TakeLosses() {
  const Nanoseconds now = reactor_.Now();
  if (absl::Status loss = prefill_.TakeShardLoss(); !loss.ok()) shards_.Fail(loss);
  if (const RemoteShards::Loss loss = shards_.TakeLoss(); !loss.why.ok()) {
    OnOutage(kShardLost, loss.why);
    next_build_ = now + options_.between_attempts;
    prefill_.ForgetShards();
    if (loss.was_up) LoseShards();
  }
  if (const RemoteShards::Loss loss = prefill_.TakeLoss(); !loss.why.ok()) {
    OnOutage(kPrefillLost, loss.why);
    next_connect_ = now + options_.between_attempts;
    if (loss.was_up) LosePrefill();
  }
}

// What is resident or was on its way is lost; what waits for the shards goes on waiting.
void RemoteBackend::LoseShards() {
  pending_.handed_off.clear();
  std::erase_if(job_of_slot_, [this](const auto& entry) {
    const auto moving = moving_.find(entry.second);
    if (moving != moving_.end() && !moving->second.sent) return false;
    if (moving != moving_.end()) moving_.erase(moving);
    pending_.lost.push_back({entry.second, LossCause::kShard, outage_});
    return true;
  });
}

void RemoteBackend::LosePrefill() {
  pending_.prefilled.clear();
  for (const auto& [job, pages] : prefill_pages_) {
    const bool here = std::any_of(held_.begin(), held_.end(),
                                  [job = job](const auto& held) { return held.id == job; });
    if (!here) pending_.lost.push_back({job, LossCause::kPrefill, outage_});
  }
}

void RemoteBackend::OnOutage(const char* what, const absl::Status& why) {
  const bool begins = outage_.empty();
  outage_ = absl::StrCat(what, why.message());
  outage_changed_ = true;
  hopeless_ = absl::IsFailedPrecondition(why);
  if (!begins) return;
  outage_since_ = reactor_.Now();
  Remark(outage_);
}

void RemoteBackend::OnRecovery() {
  if (outage_.empty()) return;
  outage_.clear();
  outage_changed_ = true;
  Remark(
      absl::StrCat("all workers are back after ", ToSeconds(reactor_.Now() - outage_since_), " s"));
}

void RemoteBackend::Remark(const std::string& text) const {
  if (options_.on_remark) options_.on_remark(text);
}

void RemoteBackend::KeepUp() {
  const Nanoseconds now = reactor_.Now();
  if (Ready()) return OnRecovery();
  const bool shards_up = shards_.state() == RemoteShards::State::kUp;
  const bool prefill_up = prefill_.state() == RemotePrefill::State::kUp;
  if (shards_up && prefill_up && !prefill_.shards_requested()) {
    prefill_.SetShards(shards_.addresses());
  }
  if (shards_.state() == RemoteShards::State::kDown && now >= next_build_) shards_.Build();
  if (prefill_.state() == RemotePrefill::State::kDown && now >= next_connect_) {
    prefill_.Connect(shards_.credentials());
  }
}

void RemoteBackend::GiveUp() {
  if (outage_.empty() || (held_.empty() && moving_.empty())) return;
  const Nanoseconds lasted = reactor_.Now() - outage_since_;
  const auto over = [&](Nanoseconds patience) { return hopeless_ || lasted > patience; };
  if (!over(std::min(options_.max_outage, options_.outage_patience))) return;
  const absl::Status why = WithRetryAfter(
      absl::UnavailableError(absl::StrCat(outage_, "; that began ", ToSeconds(lasted), " s ago")),
      kRetryAfterLoss);
  std::erase_if(held_, [&](const prefill::PrefillJob& job) {
    if (!over(job.begun ? options_.outage_patience : options_.max_outage)) return false;
    prefill_pages_.erase(job.id);
    pending_.prefilled.push_back({job.id, why, {}, {}});
    return true;
  });
  if (!over(options_.outage_patience)) return;
  for (const auto& [job, moving] : moving_) {
    if (!moving.sent) pending_.handed_off.push_back({job, why});
  }
  std::erase_if(moving_, [](const auto& entry) { return !entry.second.sent; });
}

}  // namespace waferline::plane
