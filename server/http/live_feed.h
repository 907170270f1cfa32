// The streams of /admin/live: a snapshot of the cloud twice a second while anyone watches, the same
// text to all of them.
//
// Owner: Api. Thread: io; `look` is asked there and may reply on any thread. Bounds: kMaxViewers
// streams; one with kMaxUnsent unsent bytes misses snapshots until it has read them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_set>

#include "server/http/exchange.h"
#include "wafer_backend/base/units.h"

namespace waferline::http {

class LiveFeed {
 public:
  static constexpr size_t kMaxViewers = 64;
  static constexpr size_t kMaxUnsent = 256 * 1024;
  static constexpr Nanoseconds kEvery = Milliseconds(500);

  // A reply of "": there will be no more, and the streams end.
  using Look = std::function<void(std::function<void(std::string json)> reply)>;
  LiveFeed(Look look, std::function<void(std::function<void()>)> post)
      : look_(std::move(look)), post_(std::move(post)) {}

  // Answers with the stream. False, and nothing is sent: there are kMaxViewers.
  bool Watch(const std::shared_ptr<Exchange>& exchange);
  // To be called ten times a second or so, with the monotonic clock.
  void Tick(Nanoseconds now);

  size_t viewers() const { return viewers_.size(); }

 private:
  void Send(const std::string& json);

  const Look look_;
  const std::function<void(std::function<void()>)> post_;
  std::unordered_set<std::shared_ptr<Exchange>> viewers_;
  Nanoseconds next_;
  bool asked_ = false;
};

}  // namespace waferline::http
