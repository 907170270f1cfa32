// What a usage record says. Plain values.
#pragma once

#include <cstdint>
#include <string>

#include "server/money/money.h"

namespace waferline::metering {

// Names one sequence's record, never reused: the epoch is the database's, the ordinal counts the
// server's requests within it, the choice those of a request. Written "12.345.0".
struct UsageId {
  int64_t epoch = 0;
  int64_t ordinal = 0;
  int64_t choice = 0;

  std::string Text() const;
};

// Who pays for what: the same for all choices of a request.
struct UsageSubject {
  std::string tenant;  // "" without API keys
  std::string project;
  std::string api_key;  // its id
  std::string model;
  std::string tier;  // served: flex, default, priority
  std::string endpoint;
  std::string request_id;  // the client's; not the identity
};

struct UsageCounts {
  int64_t prompt = 0;
  int64_t cached = 0;  // of the prompt
  int64_t generated = 0;
};

// How a sequence ended.
struct EndedUsage {
  std::string reason;  // stop, length, cancelled, deadline, failed
  UsageCounts counts;
  Money charge;
  int64_t ended_us = 0;  // Unix time
};

}  // namespace waferline::metering
