// A request that passed its codec: every field is in range, the prompt is token ids that fit the
// model's context. Made by server/openai and server/rpc, consumed by the engine; ownership moves
// forward only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "scheduler/request/kv_leg.h"
#include "scheduler/request/prompt_outline.h"
#include "scheduler/request/service_tier.h"
#include "scheduler/request/token_sink.h"
#include "wafer_backend/api/sampling.h"
#include "wafer_backend/base/ids.h"
#include "wafer_backend/base/units.h"

namespace waferline {

// Stepped clock: an arrival that the client times itself. The requests of a trace are numbered from
// 0 in the order of their arrival, whatever order and connections they are sent in; emulated time
// does not pass an arrival before which a number is still missing.
struct OwnArrival {
  uint64_t number = 0;
  Nanoseconds at;     // since the trace began, which it does when its first request comes
  bool last = false;  // no larger number follows
};

struct ValidRequest {
  std::string
      request_id;  // what the client sees (x-request-id), for logs and abort; not unique by itself
  std::optional<uint32_t> choice;  // which, of a request that asks for several answers
  std::string model;
  std::string tenant;      // who pays; "" when API keys are off
  std::string cache_salt;  // isolates prefix caches

  std::shared_ptr<const std::vector<TokenId>> prompt;
  // Replay only, instead of `prompt`: what a trace knows of it. Else null, and the engine makes it.
  std::shared_ptr<const PromptOutline> outline;
  SamplingSpec sampling;
  std::shared_ptr<const Prediction> prediction = nullptr;  // see SequenceSpec
  uint32_t max_tokens =
      0;  // >= 1, and prompt + max_tokens <= context; 0 only for echo: prefill and end
  KvLeg leg = KvLeg::kWhole;  // kPrefill: max_tokens is 1; kDecode: the front end has checked it

  ServiceTier tier = ServiceTier::kAuto;
  bool of_batch = false;  // of a batch, whose tier is kFlex and whose price is its own
  int32_t priority = 0;   // smaller goes first, as in vLLM

  // Durations count from arrival, in emulated time.
  std::optional<Nanoseconds> deadline;         // not finished by then: ends as kDeadline
  std::optional<Nanoseconds> queue_threshold;  // expected to queue longer: refused
  std::optional<OwnArrival> own_arrival;

  std::shared_ptr<TokenSink> sink;  // null in replay: there is no reader
};

}  // namespace waferline
