#include "wafer_backend/compute/shard/other_experts.h"

#include <algorithm>
#include <utility>

#include "wafer_backend/base/check.h"
#include "wafer_backend/base/status.h"

namespace waferline::shard {

bool FillRows(ExpertRange range, std::span<const int64_t> begin, const float* rows,
              link::ExpertRowsFrame* frame) {
  frame->counts.clear();
  for (int64_t e = range.first; e < range.end; ++e) {
    frame->counts.push_back(static_cast<uint32_t>(begin[e + 1] - begin[e]));
  }
  const int64_t width = frame->width;
  frame->hidden.assign(rows + begin[range.first] * width, rows + begin[range.end] * width);
  return begin[range.first] < begin[range.end];
}

absl::Status TakeRows(const link::ExpertRowsFrame& asked, const link::ExpertRowsFrame& answer,
                      float* rows) {
  if (answer.exchange != asked.exchange || answer.layer != asked.layer ||
      answer.width != asked.width || answer.counts != asked.counts) {
    return absl::InvalidArgumentError(
        "a worker of experts answered with rows that it was not asked for");
  }
  std::copy(answer.hidden.begin(), answer.hidden.end(), rows);
  return absl::OkStatus();
}

LocalExperts::LocalExperts(std::vector<std::unique_ptr<ExpertWorker>> workers) {
  for (auto& worker : workers) {
    peers_.push_back(std::make_unique<Peer>());
    peers_.back()->asked.width = static_cast<uint32_t>(worker->model().shape().hidden);
    peers_.back()->worker = std::move(worker);
  }
}

void LocalExperts::Start(int64_t layer, std::span<const int64_t> begin, const float* rows) {
  begin_ = begin;
  for (auto& peer : peers_) {
    link::ExpertRowsFrame& frame = peer->asked;
    frame.layer = static_cast<uint32_t>(layer);
    peer->pending = FillRows(peer->worker->options().experts, begin, rows, &frame);
    if (!peer->pending) continue;
    ++frame.exchange;
    WL_CHECK(peer->there.outlet.Send(frame).ok());
  }
}

void LocalExperts::Finish(float* rows) {
  for (auto& peer : peers_) {
    if (!std::exchange(peer->pending, false)) continue;
    Link& there = peer->there;
    Link& back = peer->back;
    const int64_t first = begin_[peer->worker->options().experts.first];
    // Both ends are ours.
    WL_CHECK(there.pipe.Take(&there.bytes));
    WL_CHECK(there.inlet
                 .Accept(there.bytes,
                         [&](link::ExpertRowsFrame& frame) {
                           WL_RETURN_IF_ERROR(peer->worker->Compute(&frame));
                           return back.outlet.Send(frame);
                         })
                 .ok());
    WL_CHECK(back.pipe.Take(&back.bytes));
    WL_CHECK(back.inlet
                 .Accept(back.bytes,
                         [&](const link::ExpertRowsFrame& answer) {
                           return TakeRows(peer->asked, answer, rows + first * answer.width);
                         })
                 .ok());
  }
}

link::LinkBytes LocalExperts::sent() const {
  link::LinkBytes sum;
  for (const auto& peer : peers_) sum += peer->there.outlet.sent();
  return sum;
}

}  // namespace waferline::shard
