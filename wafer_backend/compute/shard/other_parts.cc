#include "wafer_backend/compute/shard/other_parts.h"

#include <algorithm>

#include "wafer_backend/base/check.h"

namespace waferline::shard {

OtherExperts::OtherExperts(WorkerLinks* links, int64_t width)
    : links_(links), pending_(links->workers()) {
  frame_.width = static_cast<uint32_t>(width);
}

void OtherExperts::Start(int64_t layer, std::span<const int64_t> begin, const float* rows) {
  begin_ = begin;
  frame_.layer = static_cast<uint32_t>(layer);
  const int64_t width = frame_.width;
  for (size_t worker = 0; worker < pending_.size(); ++worker) {
    const ExpertRange range = links_->part(worker).experts;
    pending_[worker] = begin[range.first] < begin[range.end];
    if (!pending_[worker]) continue;
    frame_.counts.clear();
    for (int64_t e = range.first; e < range.end; ++e) {
      frame_.counts.push_back(static_cast<uint32_t>(begin[e + 1] - begin[e]));
    }
    frame_.hidden.assign(rows + begin[range.first] * width, rows + begin[range.end] * width);
    links_->Send(worker, &frame_);
  }
}

void OtherExperts::Finish(float* rows) {
  for (size_t worker = 0; worker < pending_.size(); ++worker) {
    if (!pending_[worker]) continue;
    const int64_t first = begin_[links_->part(worker).experts.first];
    links_->Receive(worker, rows + first * frame_.width);
  }
}

OtherFeedForward::OtherFeedForward(WorkerLinks* links, LayerRange range, int64_t width)
    : links_(links),
      range_(range),
      worker_of_(static_cast<size_t>(range.count()), links->workers()) {
  frame_.width = static_cast<uint32_t>(width);
  for (size_t worker = 0; worker < links->workers(); ++worker) {
    const LayerRange has = links->part(worker).layers;
    const int64_t end = std::min(has.end, range.end);
    for (int64_t layer = std::max(has.first, range.first); layer < end; ++layer) {
      worker_of_[layer - range.first] = worker;
    }
  }
  for (const size_t worker : worker_of_) WL_CHECK(worker < links->workers());
}

void OtherFeedForward::Start(int64_t layer, const float* x, int64_t rows) {
  const size_t worker = worker_of_[layer - range_.first];
  frame_.layer = static_cast<uint32_t>(layer);
  frame_.counts.assign(1, static_cast<uint32_t>(rows));
  frame_.hidden.assign(x, x + rows * frame_.width);
  links_->Send(worker, &frame_);
  pending_.push_back(worker);
}

void OtherFeedForward::Finish(float* y) {
  const size_t worker = pending_.front();
  pending_.pop_front();
  links_->Receive(worker, y);
}

}  // namespace waferline::shard
