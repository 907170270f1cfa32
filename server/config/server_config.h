// The file that waferd --config reads: where to listen, the clock, and the models with where their
// tokens come from. Plain values. Every field is known, in range and used; all faults of a file
// come out at once with line and field.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "scheduler/fleet/config/fleet_config.h"
#include "scheduler/fleet/config/lane_config.h"
#include "server/config/billing_config.h"
#include "server/config/cell_config.h"
#include "server/config/engine_api_config.h"
#include "server/config/kv_events_config.h"
#include "server/config/kv_transfer_config.h"
#include "wafer_backend/base/units.h"
#include "wafer_backend/base/yaml_form.h"

namespace waferline::config {

struct ListenConfig {
  std::string address = "127.0.0.1";
  int http_port = 8080;   // 0: the system chooses
  int grpc_port = 50051;  // 0: the system chooses
  // Names that clients may call the HTTP server by (Host, without a port); empty: any. Names of
  // loopback are always allowed on this machine.
  std::vector<std::string> hosts;
  // A port of its own for operators (/admin); the others do not answer them then.
  std::optional<int> admin_port;
  std::string admin_address = "127.0.0.1";
  bool insecure = false;  // beyond loopback although there are neither api_keys nor tls
};

// Keys and certificates from files that others rotate, and what uses them.
struct TlsConfig {
  std::string cert, key;
  std::string ca;            // "": peers are asked for no certificates
  std::string trust_domain;  // of peers; "": the own certificate's
  Nanoseconds reload = Seconds(30);
  bool required = false;  // clients of HTTP and gRPC must have a certificate
  bool http = true;
  bool grpc = true;
  bool links = false;  // to workers
};

struct ClockConfig {
  bool stepped = false;
  double scale = 1;  // real clock: emulated seconds a wall second
  Nanoseconds spin = Microseconds(60);
  Nanoseconds arrival_grace = Seconds(30);  // stepped clock: wall time for a missing arrival
};

struct ApiKeyConfig {
  std::string key;
  std::string tenant;
  int64_t requests_per_day = 0;   // 0: no limit
  int64_t tokens_per_minute = 0;  // 0: no limit
  bool admin = false;             // may_operate: /admin and OperatorService
};

struct LimitsConfig {
  uint32_t max_sequences = fleet::kServerMaxSequences;  // in an engine at once
  uint32_t mailbox = 4096;                              // requests on their way to the engine
  int64_t body_bytes = 4 << 20;                         // of an HTTP request or gRPC message
  uint32_t connections = 4096;
  uint32_t batch_lines = 16;  // of batches under way at once
  // Of the process, files apart; then new requests are refused. 0: what it has when it begins to
  // serve, and most of what is available then.
  int64_t memory_bytes = 0;
  Nanoseconds drain = Seconds(30);  // after SIGTERM, before what is in flight is aborted
  Nanoseconds grace = Seconds(1);   // after SIGTERM, new requests get at least so long a 503
};

// Spans of requests.
struct TraceConfig {
  std::string otlp;  // the collector; "": the environment's, or none
  double ratio = 1;  // of requests whose caller does not say
};

// Where token values come from.
enum class TokenOriginKind : uint8_t {
  kShards,  // a GGUF file, run on shards of this process
  kRemote,  // the same, run by waferd --role prefill and --role shard processes
  // The same with attention and feed-forward parts apart: on workers of this process, or, with
  // shard_workers, run by --role prefill and --role attention processes, which know --role ffn
  // ones.
  kSplit,
  kSynthetic,  // YAML: cheap. No weights: deterministic sentences through the tokenizer of `file`
};

// Guessing tokens ahead, to compute several in one step. It changes no token.
enum class SpeculationKind : uint8_t {
  kOff,
  kLookup,  // what followed the same words in the text so far
  kDraft,   // what a small model with the same vocabulary says
};

// Worker processes that compute whole sequences together.
struct WorkerChain {
  std::vector<std::string> prefill;  // host:port, at least one
  std::vector<std::string> shards;   // in the order of their layers; kSplit: attention workers
};

struct TokensConfig {
  TokenOriginKind from = TokenOriginKind::kShards;
  std::string file;           // GGUF, or any part of a split one
  std::string chat_template;  // a built-in name or a Jinja file; "": the file's own
  std::string tool_format;    // by name (server/text/tool_format.h); "": what the template says
  float temperature = 1;      // of requests that name none
  int shards = 1;             // kShards: 1 .. layers of the model; kSplit, YAML: attention
  // kShards, YAML: experts: {over: N}. Workers that share the experts of each shard's layers, the
  // shard itself among them.
  int experts_over = 1;
  int feed_forward_workers = 0;    // kSplit in this process, YAML: ffn: 1 .. layers of the model
  int micro_batches = 1;           // kSplit in this process
  double shard_sram_bytes = 44e9;  // capacity of each shard's ledger
  int threads = 2;                 // of the compute plane; kSplit: of each side's workers
  int64_t prefill_chunk = 256;     // positions computed at once
  double prefill_kv_bytes = 8e9;   // of prompts' KV in the prefill pool
  int max_batch = 64;              // rows of a decode step
  // kRemote, kSplit: each sequence is computed on one of them. None: the registry says, or, kSplit,
  // all is in this process.
  std::vector<WorkerChain> chains;
  // kRemote, kSplit: shards or attention workers that take a lost one's place.
  std::vector<std::string> standby_workers;
  // With worker processes: whose election made them this server's; not in YAML. 0: there is none.
  std::string cell = "local";
  uint64_t epoch = 0;
  // With worker processes: one that has sent nothing for so long is lost. It sends heartbeats each
  // second.
  Nanoseconds worker_patience = Seconds(3);
  // With worker processes: new requests wait so long for workers that are gone; then they are
  // refused (503) until all are back. Those with tokens out wait for outage_patience; then they
  // fail.
  Nanoseconds worker_outage = Seconds(10);
  Nanoseconds outage_patience = Seconds(60);
  SpeculationKind speculation = SpeculationKind::kOff;
  std::string draft_file;  // kDraft: GGUF
};

struct ModelConfig {
  fleet::LaneConfig lane;
  TokensConfig tokens;
};

struct ServerConfig {
  ListenConfig listen;
  ClockConfig clock;
  LimitsConfig limits;
  bool flat_errors = false;            // the error shape that Cerebras sends
  bool usage_at_finish = false;        // usage in a stream's finishing chunk, as Cerebras sends it
  bool clip_max_tokens = false;        // of requests, to what the context leaves
  bool refuse_unknown_fields = false;  // of requests; YAML: unknown_fields: warn (default), refuse
  std::vector<ApiKeyConfig> api_keys;  // empty: no key is required
  BillingConfig billing;
  std::optional<CellConfig> cell;  // of a cloud of several hosts
  std::vector<KvEventsConfig> kv_events;
  EngineApiConfig engine_api;
  KvTransferConfig kv_transfer;
  std::optional<TlsConfig> tls;
  TraceConfig trace;
  std::vector<ModelConfig> models;
};

struct ReadServerConfig {
  ServerConfig config;             // of a faulty file: what can be read, the rest as if not given
  std::vector<FieldFacts> fields;  // what was asked of the file
  absl::Status faults;             // InvalidArgument: all of them, a line each
};
// Ports that a command line gives instead of the file's.
struct PortFlags {
  std::optional<int> http, grpc;
};
// `name` is the path of the file: it goes before each fault, and relative paths in it start at its
// folder.
ReadServerConfig ReadServerConfigText(const std::string& name, std::string_view yaml,
                                      const PortFlags& ports = {});
// The same of a file without faults.
absl::StatusOr<ServerConfig> ParseServerConfig(const std::string& name, std::string_view yaml,
                                               std::vector<FieldFacts>* fields = nullptr);
// The same, or why the file cannot be read (files.h).
absl::StatusOr<ServerConfig> LoadServerConfig(const std::string& path);

}  // namespace waferline::config
