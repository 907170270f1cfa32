// A shard's links to the workers that have what it does not have of its layers: rows go there and
// come back as typed links carry them (law 3: bytes of load, each way, are rows x hidden x 4).
//
// Owner: what owns the shard; thread: the shard's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "absl/status/status.h"
#include "wafer_backend/compute/link/byte_pipe.h"
#include "wafer_backend/compute/link/frames.h"
#include "wafer_backend/compute/shard/layer_worker.h"

namespace waferline::shard {

class WorkerLinks {
 public:
  // Frames that a worker may have been sent and not have answered.
  static constexpr size_t kMaxAsked = 64;

  virtual ~WorkerLinks() = default;
  virtual size_t workers() const = 0;
  virtual WorkerPart part(size_t worker) const = 0;

  // Numbers the frame and sends it; the worker's answers come in the order of what it was sent.
  virtual void Send(size_t worker, link::LayerRowsFrame* frame) = 0;
  // Waits for the worker's next answer and copies it to `rows`, f32, as many as were sent.
  virtual void Receive(size_t worker, float* rows) = 0;

  // Not OK once a worker was lost: Send and Receive then do nothing, and what Receive left in rows
  // since the last look are not results.
  virtual absl::Status status() const = 0;
  virtual link::LinkBytes sent() const = 0;
  virtual link::LinkBytes received() const = 0;
};

// What a worker was sent and has not answered yet. A value.
class AskedRows {
 public:
  void Ask(link::LayerRowsFrame* frame) {
    frame->exchange = ++last_;
    asked_.push_back({frame->exchange, frame->layer, frame->width, frame->counts, {}});
  }
  // InvalidArgument unless it answers the oldest.
  absl::Status Take(const link::LayerRowsFrame& answer) {
    if (asked_.empty() || answer.exchange != asked_.front().exchange ||
        answer.layer != asked_.front().layer || answer.width != asked_.front().width ||
        answer.counts != asked_.front().counts) {
      return absl::InvalidArgumentError("it answered with rows that it was not asked for");
    }
    asked_.pop_front();
    return absl::OkStatus();
  }

 private:
  uint64_t last_ = 0;
  std::deque<link::LayerRowsFrame> asked_;  // without their rows
};

}  // namespace waferline::shard
