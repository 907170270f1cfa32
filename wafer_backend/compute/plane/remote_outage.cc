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
constexpr char kPrefillLost[] = "a prefill worker was lost: ";

}  // namespace

void RemoteBackend::TakeLosses() {
  const Nanoseconds now = reactor_.Now();
  const PrefillPool::Losses losses = prefill_.TakeLosses();
  if (!losses.shards.ok()) shards_.Fail(losses.shards);
  if (const RemoteShards::Loss loss = shards_.TakeLoss(); !loss.why.ok()) {
    OnOutage(kShardLost, loss.why);
    next_build_ = now + options_.between_attempts;
    prefill_.ForgetShards();
    if (loss.was_up) LoseShards();
  }
  if (losses.why.ok()) return;
  if (!prefill_.up()) {
    OnOutage(kPrefillLost, losses.why);
  } else if (losses.was_up) {
    Remark(absl::StrCat(kPrefillLost, losses.why.message(), "; others go on"));
  }
  LosePrefill(losses.jobs);
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

void RemoteBackend::LosePrefill(const std::vector<uint64_t>& jobs) {
  for (const uint64_t job : jobs) {
    std::erase_if(pending_.prefilled, [job](const auto& result) { return result.id == job; });
    pending_.lost.push_back({job, LossCause::kPrefill, "the prefill worker was lost"});
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
  prefill_.KeepUp(shards_.credentials(), shards_);
  if (Ready()) return OnRecovery();
  const Nanoseconds now = reactor_.Now();
  if (shards_.state() == RemoteShards::State::kDown && now >= next_build_) shards_.Build();
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
