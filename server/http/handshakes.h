// TLS handshakes under way at one door: a bounded number, each for a bounded time, so that peers
// that connect and say nothing keep no one else out.
//
// Owner: the server; thread: io.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>

#include "wafer_backend/base/units.h"

namespace waferline::http {

class Connection;

class Handshakes {
 public:
  Handshakes(Nanoseconds patience, size_t max) : patience_(patience), max_(max) {}

  void Begin(Connection* connection, Nanoseconds now);
  void End(Connection* connection);  // whatever came of it
  bool full() const { return all_.size() >= max_; }
  // Calls once, when one more may begin; only while full.
  void OnRoom(std::function<void()> room) { room_ = std::move(room); }
  // Refuses those that are overdue, and the oldest if others wait for it.
  void Tick(Nanoseconds now);

 private:
  struct One {
    Connection* connection;
    Nanoseconds since;
  };
  const Nanoseconds patience_;
  const size_t max_;
  std::deque<One> all_;  // oldest first
  std::function<void()> room_;
};

}  // namespace waferline::http
