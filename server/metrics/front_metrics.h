// What the front ends report, in host time or plain numbers. An interface: they do not depend on
// Prometheus. Thread: any. Cost: one lock, no I/O. Owner: Exposition (FrontSeries), which outlives
// the front ends.
#pragma once

#include <cstdint>
#include <string_view>

#include "wafer_backend/base/units.h"

namespace waferline::metrics {

// One usage record, posted.
struct TenantUse {
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;  // of the prompt
  int64_t generated_tokens = 0;
  int64_t cost_pico = 0;  // picodollars
};

class FrontMetrics {
 public:
  virtual ~FrontMetrics() = default;
  // A request was answered in full, or its client disconnected (`code` 499). `route` is one of
  // Api::RouteOf's fixed set, never a client's text.
  virtual void OnRequest(std::string_view route, int code, Nanoseconds lasted) {}
  // From the last byte of a request to the first byte of text handed to the socket.
  virtual void OnHostFirstToken(std::string_view model, Nanoseconds lasted) {}
  // ... to the end of the answer.
  virtual void OnHostEnd(std::string_view model, Nanoseconds lasted) {}
  // One event of a stream, carrying `tokens` generated tokens.
  virtual void OnStreamEvent(std::string_view model, uint32_t tokens) {}
  // A tenant was refused for its budget or its key.
  virtual void OnTurnedAway(std::string_view why) {}
  // A connection was refused for its TLS handshake or certificate. Both from fixed sets.
  virtual void OnHandshakeRefused(std::string_view door, std::string_view reason) {}
  // With a usage database, by tenant; of many tenants the later ones share the label "other".
  virtual void OnTenantUse(std::string_view tenant, const TenantUse& use) {}
  virtual void OnTenantRefused(std::string_view tenant, std::string_view why) {}
};

}  // namespace waferline::metrics
