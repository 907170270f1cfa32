#include "wafer_backend/emulator/shared_link.h"

#include <algorithm>
#include <cmath>

#include "wafer_backend/base/check.h"

namespace waferline::emulator {
namespace {
// Virtual time is a sum of products in double precision; bytes are whole, so half of one is
// certain.
constexpr double kHalfByte = 0.5;
}  // namespace

SharedLink::SharedLink(Timeline* timeline, double bytes_per_second, Nanoseconds latency)
    : timeline_(timeline), bytes_per_ns_(bytes_per_second * 1e-9), latency_(latency) {
  WL_CHECK(bytes_per_second > 0);
}

void SharedLink::Advance() {
  const Nanoseconds now = timeline_->now();
  if (!flows_.empty()) {
    const Nanoseconds passed = now - advanced_to_;
    virtual_bytes_ +=
        passed.as_double() * bytes_per_ns_ * speed_ / static_cast<double>(flows_.size());
    busy_ += passed;
  }
  advanced_to_ = now;
}

void SharedLink::DropCancelled() {
  while (!ends_.empty() && !flows_.contains(ends_.top().transfer)) ends_.pop();
}

void SharedLink::Arm() {
  ++generation_;
  DropCancelled();
  if (ends_.empty() || speed_ <= 0) return;
  const double left = std::max(0.0, ends_.top().end_virtual - virtual_bytes_);
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
  for (DropCancelled(); !ends_.empty() && ends_.top().end_virtual <= virtual_bytes_ + kHalfByte;
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

Bytes SharedLink::backlog() const {
  double bytes = 0;
  for (const auto& [transfer, flow] : flows_) {
    bytes += std::max(0.0, flow.end_virtual - virtual_bytes_);
  }
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
