// What the front ends count, all of it in host time or plain numbers. An interface, so that they
// do not know Prometheus; every call is cheap and from any thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "wafer_backend/base/units.h"

namespace waferline::metrics {

class FrontMetrics {
 public:
  virtual ~FrontMetrics() = default;
  // A request was answered in full, or its client went away (`code` 499). `route` is one of a fixed
  // few, never what a client sent.
  virtual void OnRequest(std::string_view route, int code, Nanoseconds lasted) {}
  // From the last byte of a request to the first byte of text handed to the socket.
  virtual void OnHostFirstToken(std::string_view model, Nanoseconds lasted) {}
  // ... to the end of the answer.
  virtual void OnHostEnd(std::string_view model, Nanoseconds lasted) {}
  // One event of a stream, carrying `tokens` generated tokens.
  virtual void OnStreamEvent(std::string_view model, uint32_t tokens) {}
  // A tenant was refused for its budget or its key.
  virtual void OnTurnedAway(std::string_view why) {}
};

}  // namespace waferline::metrics
