// What becomes of cached blocks of a model, as readers of vLLM's KV events want it, and the bounded
// way from the engine's thread to a publisher.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "wafer_backend/base/ids.h"
#include "wafer_backend/base/mutex.h"

namespace waferline::kv_events {

// Blocks that follow each other in a prompt were stored, or (without tokens) blocks are gone.
struct Event {
  bool stored = false;
  std::vector<uint64_t> blocks;    // chained hashes; opaque to readers
  std::optional<uint64_t> parent;  // stored: the block before them, if there is one
  std::vector<TokenId> tokens;     // stored: of the blocks; blocks * block_tokens
  uint32_t block_tokens = 0;       // stored
  std::string salt;                // stored: the request's cache_salt, which the hashes depend on
};

// Thread: any. What does not fit is dropped and counted: readers notice by their misses only.
class EventQueue {
 public:
  static constexpr size_t kMaxEvents = 100'000;

  void Put(std::shared_ptr<const Event> event);
  // At most `most`, oldest first.
  std::vector<std::shared_ptr<const Event>> Take(size_t most);
  uint64_t dropped() const;

 private:
  mutable Mutex mutex_;
  std::deque<std::shared_ptr<const Event>> events_ ABSL_GUARDED_BY(mutex_);
  uint64_t dropped_ ABSL_GUARDED_BY(mutex_) = 0;
};

// A batch as msgpack: [time, [event...], 0], each event a map with "type". The names and values are
// those of vLLM's KVEventBatch with its events as maps (vllm-project/vllm #42892).
std::string EncodeBatch(double unix_seconds,
                        const std::vector<std::shared_ptr<const Event>>& events);

}  // namespace waferline::kv_events
