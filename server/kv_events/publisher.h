// Publishes one model's KV events over ZeroMQ, as vLLM's publisher does: a PUB socket whose
// messages are [topic, sequence (8 bytes, big-endian, from 0), batch]; and a ROUTER socket that
// sends past batches again. A request there is [start (8 bytes)], the answers [topic, sequence,
// batch] from that sequence on, then sequence 2^64-1 with an empty batch; an empty frame that came
// before the start comes before each answer too (REQ and vLLM's DEALER send one).
//
// Owner: server/app; `queue` outlives it. Thread: one of its own. Bounds: a batch has kMaxBatch
// events and waits kFlush at most; kKeptBatches can be sent again; a reader that is slow loses what
// exceeds kHighWater.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/kv_events/events.h"
#include "wafer_backend/base/units.h"

namespace waferline::kv_events {

class Publisher {
 public:
  static constexpr size_t kMaxBatch = 16;
  static constexpr Nanoseconds kFlush = Milliseconds(10);
  static constexpr size_t kKeptBatches = 1024;
  static constexpr int kHighWater = 100'000;

  struct Options {
    std::string bind;    // "tcp://127.0.0.1:5557"; ":*" takes a free port
    std::string topic;   // before each message; readers may filter by it
    std::string replay;  // address of the ROUTER; "": none
  };
  // InvalidArgument for an address that ZeroMQ does not know, Unavailable for one that cannot be
  // had.
  static absl::StatusOr<std::unique_ptr<Publisher>> Start(const Options& options,
                                                          EventQueue* queue);
  virtual ~Publisher() = default;          // ends its thread
  virtual uint64_t published() const = 0;  // batches
  // Where it listens, with the port that was taken: of the PUB and of the ROUTER socket ("": none).
  virtual std::string address() const = 0;
  virtual std::string replay_address() const = 0;
};

}  // namespace waferline::kv_events
