#include "wafer_backend/emulator/shared_link.h"

#include <algorithm>
#include <cmath>

#include "wafer_backend/base/check.h"

namespace waferline::emulator {
namespace {
// Virtual time is a sum of products in double precision. A transfer is over when less than a
// thousandth of a byte is left, so that the last bits of the sum decide no instant; looked at with
// twice that, it is over at the instant at which it was said to be.
constexpr double kRest = 1e-3;
}  // namespace

SharedLink::SharedLink(Timeline* timeline, double bytes_per_second, Nanoseconds latency)
    : timeline_(timeline), bytes_per_ns_(bytes_per_second * 1e-9), latency_(latency) {
  WL_CHECK(bytes_per_second > 0);
}

double SharedLink::VirtualNow() const {
  if (flows_.empty()) return virtual_bytes_;
  const Nanoseconds passed = timeline_->now() - advanced_to_;
  return virtual_bytes_ +
         passed.as_double() * bytes_per_ns_ * speed_ / static_cast<double>(flows_.size());
}

void SharedLink::Advance() {
  virtual_bytes_ = VirtualNow();
  busy_ = busy();
  advanced_to_ = timeline_->now();
}

void SharedLink::DropCancelled() {
  while (!ends_.empty() && !flows_.contains(ends_.top().transfer)) ends_.pop();
}

void SharedLink::Arm() {
  ++generation_;
  DropCancelled();
  if (ends_.empty() || speed_ <= 0) return;
  const double left = std::max(0.0, ends_.top().end_virtual - virtual_bytes_ - kRest);
  const double ns = left * static_cast<double>(flows_.size()) / (bytes_per_ns_ * speed_);
  timeline_->Schedule(timeline_->now() + Nanoseconds(static_cast<int64_t>(std::ceil(ns))),
                      Priority::kDevice, this, generation_);
}

KvLink::Transfer SharedLink::Start(Bytes bytes, EventTarget* done, uint64_t payload) {
  Advance();
  const Transfer transfer = ++last_;
  const double end = virtual_bytes_ + bytes.as_double();
  flows_.emplace(transfer, Flow{bytes, end, done, payload});
  ends_.push({end, transfer});
  Arm();
  return transfer;
}

void SharedLink::Cancel(Transfer transfer) {
  Advance();
  if (flows_.erase(transfer) > 0) Arm();
}

void SharedLink::OnEvent(uint64_t payload) {
  if (payload != generation_) return;  // something changed since: another event is armed
  Advance();
  for (DropCancelled(); !ends_.empty() && ends_.top().end_virtual <= virtual_bytes_ + 2 * kRest;
       DropCancelled()) {
    const auto it = flows_.find(ends_.top().transfer);
    const Flow flow = it->second;
    flows_.erase(it);
    ends_.pop();
    moved_ += flow.bytes;
    timeline_->Schedule(timeline_->now() + latency_, Priority::kDevice, flow.done, flow.payload);
  }
  Arm();
}

Bytes SharedLink::Left(Transfer transfer) const {
  const auto it = flows_.find(transfer);
  if (it == flows_.end()) return Bytes();
  return Bytes(std::llround(std::max(0.0, it->second.end_virtual - VirtualNow())));
}

Bytes SharedLink::backlog() const {
  double bytes = 0;
  const double now = VirtualNow();
  for (const auto& [transfer, flow] : flows_) bytes += std::max(0.0, flow.end_virtual - now);
  return Bytes(std::llround(bytes));
}

Nanoseconds SharedLink::busy() const {
  return busy_ + (flows_.empty() ? Nanoseconds() : timeline_->now() - advanced_to_);
}

Nanoseconds SharedLink::TimeAlone(Bytes bytes) const {
  return latency_ + Nanoseconds(std::llround(bytes.as_double() / bytes_per_ns_));
}

void SharedLink::SetSpeed(double speed) {
  Advance();
  speed_ = speed;
  Arm();
}

}  // namespace waferline::emulator
