// Sends a plan to a server and writes down what comes back.
//
// Thread: the caller's sends, the client's own threads receive. Bounds: memory for one entry a
// piece of each request; in flight at once: the concurrency, or every request under a rate without
// one; with several turns, that many conversations.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/load/load_plan.h"
#include "client/load/request_record.h"
#include "client/sdk/token_client.h"

namespace waferline::load {

struct LoadSettings {
  sdk::GenerateSpec request;    // every request's, but for its prompt
  std::vector<Prompt> prompts;  // taken in turn, one a conversation
  uint32_t requests = 1;
  ArrivalSettings arrival;
  uint64_t seed = 0;
  ClientManners manners;
  // Requests of one conversation, which takes one place: each but the first follows the answer to
  // the one before, with all that was said. More than one: prompts are chats.
  uint32_t turns = 1;
  std::function<std::string(uint32_t index)> next_words;  // what the user says in a later turn
  // Request `index`, instead of `request` and `prompts`: of a trace whose requests bring their own
  // arrivals, and are sent as fast as places are free.
  std::function<sdk::GenerateSpec(uint32_t index)> traced;
};

struct LoadProgress {
  uint32_t done = 0;
  uint64_t tokens = 0;
  Nanoseconds elapsed;
};

struct LoadResult {
  std::vector<RequestRecord> records;  // of what was sent, in order
  Nanoseconds duration;                // first send to last end
  bool interrupted = false;
};

// One request, so that a run begins with connections made and caches warm. Learns whether the
// server takes `ask_token_ids` and `ask_usage`. Fails as the request fails.
absl::Status Warm(sdk::TokenClient& client, sdk::GenerateSpec* request, const Prompt& prompt);

// `report` is called from time to time on the caller's thread; false ends the run: what is in
// flight is cancelled.
LoadResult RunLoad(sdk::TokenClient& client, const LoadSettings& settings,
                   const std::function<bool(const LoadProgress&)>& report);

}  // namespace waferline::load
