// Everything that /metrics shows, collected without slowing the engines down.
//
// An engine's thread adds to plain numbers (observer()); Flush moves them to the Prometheus
// series. A scrape therefore runs Flush and takes an EngineSnapshot on each engine's thread, then
// SetGauges and Text on another, for all families or for those that are asked for. Emulated time
// and host time are separate families. The "vllm:..." names that routers and dashboards read carry
// emulated time.
//
// Owner: server/app; outlives the engine, its thread and the front ends. Thread: as each member
// says. Cost: a search in at most 64 bounds for each token. Bounds: series exist for models, routes
// and causes, all of them fixed sets.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "scheduler/engine/observer.h"
#include "scheduler/engine/snapshot.h"
#include "server/metrics/front_metrics.h"
#include "server/runtime/engine_thread.h"
#include "wafer_backend/base/units.h"

namespace waferline::metrics {

// A lane of the engine, in its order.
struct MeteredLane {
  std::string model;
  bool computed = true;     // tokens come from real weights
  std::string description;  // for people
  Tokens page_tokens;       // positions in a block of its prefix caches
  int64_t kv_pages = 0;     // such blocks in all its decode units
};

// The compute plane of one model. Counts are since the start.
struct ComputeFigures {
  std::string model;
  uint64_t decode_steps = 0;
  uint64_t decode_rows = 0;  // sequences of all steps together
  uint64_t prefill_tokens = 0;
  uint64_t drafted_tokens = 0;   // proposed by speculation
  uint64_t accepted_tokens = 0;  // of them, those that the model drew itself
  std::vector<std::pair<std::string, uint64_t>> host_recoveries;  // by cause
  uint64_t moved_sequences = 0;  // from one chain of workers to another
  struct Chain {
    int state = 0;  // 0 down, 1 being built, 2 up
    uint64_t generation = 0;
    Nanoseconds silence;  // of the worker that has been silent for longest
    Nanoseconds outage;   // for which it has lacked a worker by now
  };
  std::vector<Chain> chains;  // of worker processes
  uint32_t live_sequences = 0;
  std::vector<Bytes> kv_reserved;        // of each shard's SRAM
  Bytes prefill_kv;                      // held by the prefill pool
  std::vector<uint64_t> expert_tokens;   // of each, on the shards, summed over the layers
  std::vector<Bytes> expert_rows;        // passed from each shard to workers of experts
  std::vector<Bytes> feed_forward_rows;  // between each attention worker and feed-forward workers
  std::vector<Bytes> activations;        // passed between neighbouring shards, first hop first
};

// What the registry of a cell's members says.
struct CellFigures {
  std::string cell;
  uint64_t epoch = 0;        // of this front end's last leadership
  bool leading = false;      // else it stands by
  Nanoseconds registry_age;  // since the registry last answered
  size_t claimed = 0;        // workers of this cell
  size_t spare = 0;          // workers of the cloud that no cell has
};

// The same for a front end that stands by, which has no other figures: Prometheus text, of all
// families or of those that are named.
std::string StandbyText(const CellFigures& cell, const std::vector<std::string>& names);

// A publisher of KV events.
struct KvEventFigures {
  std::string model;
  std::string topic;     // before each message
  std::string bind;      // where it listens: "tcp://127.0.0.1:5557"
  std::string replay;    // the same for past events; "": nowhere
  uint64_t batches = 0;  // sent since the start
  uint64_t dropped = 0;  // events that did not fit its queue
};

// The usage database. Counts are since the start.
struct BillingFigures {
  uint64_t records = 0;
  uint64_t commits = 0;
  uint64_t retries = 0;      // groups that were repeated
  uint64_t in_doubt = 0;     // of them, without knowing whether they were kept
  uint64_t overdue = 0;      // ends of answers that lost patience
  uint64_t failed = 0;       // records that the database refuses for good
  uint64_t interrupted = 0;  // of servers that died, found at the start
  uint64_t unconfirmed = 0;  // the same, posted, their answer perhaps not sent
  size_t queue = 0;          // that waits
  Nanoseconds commit_time;   // of all commits
};

// Spans of requests since the start, by what became of them.
struct SpanFigures {
  uint64_t exported = 0;
  uint64_t dropped = 0;
  uint64_t failed = 0;
};

// Figures of the process that are not the engines'.
struct HostFigures {
  struct Blocked {
    std::string model;
    Nanoseconds age;  // for which its emulated time has stood still by now
  };
  Nanoseconds engine_progress_age;
  size_t http_connections = 0;
  size_t grpc_connections = 0;
  // Unix time at which the own certificate ends; nullopt: no TLS.
  std::optional<int64_t> certificate_expires;
  SpanFigures spans;
  std::vector<ComputeFigures> compute;
  std::vector<Blocked> blocked;  // each model's
  std::optional<CellFigures> cell;
  std::vector<KvEventFigures> kv_events;
  std::optional<BillingFigures> billing;
};

class Exposition {
 public:
  // The lanes of each engine, in their order.
  explicit Exposition(const std::vector<std::vector<MeteredLane>>& engines);
  ~Exposition();

  // For an engine and its thread to report to; valid as long as this.
  engine::EngineObserver* observer(size_t engine = 0);
  runtime::LatenessObserver* lateness(size_t engine = 0);
  // For the front ends to report to; any thread.
  FrontMetrics* front();

  // Moves what an engine's thread has counted to the series. That thread.
  void Flush(size_t engine = 0);
  // Sets the gauges of the families of these names, of all if there are none. One thread at a time,
  // not an engine's: it creates series.
  void SetGauges(const engine::EngineSnapshot& snapshot, const HostFigures& host,
                 const std::vector<std::string>& names = {});
  // Prometheus text format of these families, of all if there are none; any thread.
  std::string Text(const std::vector<std::string>& names = {}) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace waferline::metrics
