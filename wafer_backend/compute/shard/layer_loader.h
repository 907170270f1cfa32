// Loads layers on a thread of its own, so that its owner's links live on meanwhile: it takes
// seconds to minutes.
//
// Owner and thread: the shard node's. One load at a time; the destructor waits for it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "wafer_backend/base/thread.h"
#include "wafer_backend/compute/shard/shard.h"

namespace waferline::shard {

class LayerLoader {
 public:
  using Loaded = absl::StatusOr<std::unique_ptr<Shard>>;
  // `load` and then `on_done` are called on the other thread. Without `load` nothing is started.
  LayerLoader(std::function<Loaded(LayerRange)> load, std::function<void()> on_done)
      : load_(std::move(load)), on_done_(std::move(on_done)) {}
  ~LayerLoader() {
    if (thread_.joinable()) thread_.join();
  }

  bool able() const { return load_ != nullptr; }
  bool busy() const { return thread_.joinable(); }
  LayerRange range() const { return range_; }  // of the last load

  void Start(LayerRange range) {  // not while busy
    range_ = range;
    done_ = false;
    thread_ = Thread([this] {
      loaded_ = load_(range_);
      done_ = true;
      on_done_();
    });
  }
  // What was loaded, once.
  std::optional<Loaded> Take() {
    if (!busy() || !done_) return std::nullopt;
    thread_.join();
    return std::exchange(loaded_, std::nullopt);
  }

 private:
  const std::function<Loaded(LayerRange)> load_;
  const std::function<void()> on_done_;
  LayerRange range_;
  std::optional<Loaded> loaded_;  // the thread's until done_
  std::atomic<bool> done_{false};
  Thread thread_;
};

}  // namespace waferline::shard
