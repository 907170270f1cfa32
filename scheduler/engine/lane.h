// What a model is served by: the parts that scheduler/fleet (or a test) hands to the engine, one
// LaneSpec a model. Plain values; the pointed-to devices and sources outlive the engine.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "scheduler/policy/admission.h"
#include "scheduler/policy/order.h"
#include "scheduler/policy/routing.h"
#include "scheduler/policy/tiers.h"
#include "wafer_backend/api/devices.h"
#include "wafer_backend/api/values.h"
#include "wafer_backend/base/units.h"

namespace waferline::engine {

struct PrefillWorkerSpec {
  std::string name;
  PrefillDevice* device = nullptr;
  Tokens step_tokens{8192};       // token budget of a step
  Tokens backlog_tokens{32768};   // takes another prompt while less than this is pending
  Tokens cache_tokens;            // prefix cache; 0: none
  Tokens memory_tokens{1 << 20};  // KV of prompts in prefill or waiting for their hand-off
  int devices = 1;                // that work as one
  int64_t milliwatts = 0;         // what they draw together at work; 0: not known
};

// Speculative decoding as a process: a draft of acceptance.size() tokens is verified in one beat;
// draft token i is accepted with acceptance[i] if all before it were. The draws are keyed by the
// request's seed and the position, so they do not depend on the schedule.
struct Speculation {
  std::vector<double> acceptance;  // empty: off
  Nanoseconds draft_time;          // added to each beat
};

// A decode unit is a pipeline of wafers or a batch device, never both.
struct DecodeUnitSpec {
  std::string name;
  DecodePipeline* pipeline = nullptr;
  BatchDecoder* batch = nullptr;
  UnitTier tier = UnitTier::kFast;
  std::vector<ShardMemory> memory;  // one entry a stage ledger; equal page_tokens
  int max_running = 256;            // sequences that hold a slot
  KvLink* link = nullptr;           // from the prefill pool; may be shared between units and lanes
  bool prefix_cache = false;        // keep ended prompts' KV in free SRAM
  int devices = 1;                  // that work as one: wafers of the pipeline, accelerators
  int wafers = 0;                   // of a batch unit's; -1: none of a pipeline's are
  int64_t milliwatts = 0;           // what they draw together at work; 0: not known
  std::optional<Speculation> speculation;  // its own; none: the lane's
};

// When KV starts to move.
enum class Overlap : uint8_t {
  kNone,   // the whole prompt's, once it is prefilled
  kChunk,  // each chunk's when its step ends
  kLayer,  // each layer's when it is computed: all but the last layer's during the step
};

// When the decode unit is chosen and its SRAM leased.
enum class Reserve : uint8_t {
  kAtPrefill,  // before anything is computed; needed by value sources that really hold KV
  kAtHandoff,  // when the prompt is prefilled; it waits in the worker's memory if there is no room
};

struct LaneLimits {
  uint32_t max_restarts = 3;               // re-prefills after a fault; then kFailed
  uint32_t max_preemptions = 2;            // per sequence
  Nanoseconds reader_grace = Seconds(10);  // emulated time a full sink may take to Resume
  // A hand-off holds its room by a lease that its heartbeats renew: one is lost if no byte has
  // moved since the one before. After this many lost in a row the room is released on every stage,
  // the request restarts, and the link is not used until it is repaired.
  Nanoseconds heartbeat = Milliseconds(10);
  uint32_t lost_heartbeats = 3;
};

struct LaneSpec {
  std::string model;
  ValueSource* values = nullptr;
  bool keep_ids = true;  // remember generated ids for a re-prefill; replay needs only their number
  std::vector<PrefillWorkerSpec> workers;
  std::vector<DecodeUnitSpec> units;
  uint32_t context = 0;        // prompt + max_tokens at most; 0: whatever the units hold
  Bytes kv_bytes_per_token;    // over all layers: what a hand-off moves
  uint32_t block_tokens = 64;  // of prefix caches

  policy::AdmissionSettings admission;
  policy::OrderSettings order;
  policy::WorkerRule worker_rule = policy::WorkerRule::kPrefixAware;
  policy::UnitRule unit_rule = policy::UnitRule::kMostHeadroom;
  policy::TierSettings tiers;  // of a lane that has units of both
  policy::LocalPrefillSettings local_prefill;
  bool preempt = false;  // by recompute, for a better priority
  Overlap overlap = Overlap::kNone;
  Reserve reserve = Reserve::kAtPrefill;
  Speculation speculation;
  LaneLimits limits;
};

}  // namespace waferline::engine
