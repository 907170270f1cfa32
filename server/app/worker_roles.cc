#include "server/app/worker_roles.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/app/descriptors.h"
#include "server/app/door_security.h"
#include "server/app/process_identity.h"
#include "server/app/remark_log.h"
#include "server/app/signals.h"
#include "server/app/worker_probe.h"
#include "server/runtime/host.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/kernels/cpu.h"
#include "wafer_backend/compute/link/worker_process.h"
#include "wafer_backend/compute/prefill/prefill_server.h"
#include "wafer_backend/compute/shard/layer_server.h"
#include "wafer_backend/compute/shard/shard_server.h"

namespace waferline::app {
namespace {

// Sequences that a shard holds at once: more than the units of a model run.
constexpr uint32_t kSlots = 16384;

constexpr char kAnyLayers[] = "any";
constexpr size_t kMinWorkerDescriptors = 40;  // the model's file, peers, and visitors among them

// "FIRST:END" as a LayerRange or ExpertRange.
template <typename Range>
absl::StatusOr<Range> ParseRange(const char* flag, const std::string& text,
                                 const char* allowed = "FIRST:END with FIRST < END, as 0:3") {
  const std::vector<std::string> ends = absl::StrSplit(text, ':');
  Range range;
  if (ends.size() != 2 || !absl::SimpleAtoi(ends[0], &range.first) ||
      !absl::SimpleAtoi(ends[1], &range.end) || range.first < 0 || range.first >= range.end) {
    return absl::InvalidArgumentError(absl::StrCat(flag, " is \"", text, "\", must be ", allowed));
  }
  return range;
}

// Says where the worker listens, also in the port file.
void Announce(const WorkerOptions& options, const WorkerProbe& probe, const std::string& what,
              uint16_t port) {
  const std::string host = options.listen.substr(0, options.listen.rfind(':'));
  printf("waferd: %s of %s is ready on %s:%u, computes with %s instructions\n", what.c_str(),
         options.model.c_str(), host.c_str(), port,
         std::string(kernels::Name(kernels::BestPath())).c_str());
  FlushPrinted();
  if (options.port_file.empty()) return;
  const absl::Status written = WriteFileAtOnce(
      options.port_file,
      absl::StrCat("{\"port\":", port, ",\"probe\":", probe.port(), ",\"pid\":", getpid(), "}\n"));
  if (!written.ok()) fprintf(stderr, "waferd: %s\n", written.ToString().c_str());
}

std::function<void(const std::string&)> Remarks(const std::string& who) {
  return
      [log = std::make_shared<RemarkLog>(who)](const std::string& remark) { log->Print(remark); };
}

// TLS of its links, or null. What other machines reach must have it, unless it is said that it
// need not.
absl::StatusOr<std::shared_ptr<tls::Credentials>> LinksOf(const WorkerOptions& options) {
  if (!options.tls.empty()) {
    auto links = LinkCredentials({.cert = options.tls + "/tls.crt",
                                  .key = options.tls + "/tls.key",
                                  .ca = options.tls + "/ca.crt",
                                  .reload = options.tls_reload},
                                 tls::Role::kWorker);
    if (links.ok()) return links;
    // The files are those of the flag, not fields of a configuration.
    const std::string message(links.status().message());
    const size_t field = message.find(": ");
    const bool named = message.starts_with("tls.") && field != std::string::npos;
    return absl::Status(links.status().code(),
                        absl::StrCat("--tls: ", named ? message.substr(field + 2) : message));
  }
  const bool loopback = options.listen.starts_with("127.") ||
                        options.listen.starts_with("localhost:") ||
                        options.listen.starts_with("[::1]:");
  if (!loopback && !options.insecure) {
    return absl::InvalidArgumentError(
        absl::StrCat("--listen ", options.listen,
                     " can be reached from other machines, and every one of them could use this "
                     "worker; give --tls DIR, or --insecure to listen all the same"));
  }
  return nullptr;
}

// Runs a worker until it fails or a signal comes. One that comes while the model is loaded ends it
// at once, as a server (EndOnSignal).
template <typename Run>
absl::Status UntilSignal(link::WorkerProcess* server, Run run) {
  WL_RETURN_IF_ERROR(RequireDescriptors(kMinWorkerDescriptors));
  std::optional<EndOnSignal> starting(std::in_place);
  auto stop =
      std::make_shared<std::atomic<bool>>(false);  // the thread outlives a worker that fails
  server->on_ready = [&starting, stop, announce = server->on_ready](uint16_t port) {
    starting.reset();
    std::thread([stop] {
      WaitForSignal();
      *stop = true;
    }).detach();
    announce(port);
  };
  return run(*stop);
}

// What all servers' options have in common.
absl::Status SetCommon(const WorkerOptions& options, const std::string& what,
                       link::WorkerProcess* server) {
  WL_ASSIGN_OR_RETURN(server->tls, LinksOf(options));
  WL_ASSIGN_OR_RETURN(std::shared_ptr<WorkerProbe> probe,
                      WorkerProbe::Open(options.probe, what, server->tls));
  server->vitals = probe->vitals();
  server->listen = options.listen;
  server->name = ProcessName();
  server->incarnation = runtime::RandomSeed();
  server->model_path = options.model;
  server->threads = options.threads;
  server->on_ready = [&options, probe, what](uint16_t port) {
    Announce(options, *probe, what, port);
    probe->OnReady();
  };
  server->on_remark = Remarks(what);
  return absl::OkStatus();
}

// Lists the worker in its cell's registry once it listens, and then each driver that has it.
// `listing` outlives the server.
template <typename Options>
void KeepListed(WorkerListing* listing, Options* server) {
  server->on_ready = [ready = server->on_ready, listing](uint16_t port) {
    ready(port);
    listing->Announce(port);
  };
  server->on_driver = [listing](uint64_t epoch) { listing->OnDriver(epoch); };
}

absl::Status RunShardServer(const WorkerOptions& options, const std::string& what,
                            shard::ShardServerOptions server) {
  std::optional<membership::Layers> layers;
  if (options.layers != kAnyLayers) {
    WL_ASSIGN_OR_RETURN(server.shard.range, ParseRange<shard::LayerRange>(
                                                "--layers", options.layers,
                                                "any, or FIRST:END with FIRST < END, as 0:3"));
    layers = membership::Layers{static_cast<uint32_t>(server.shard.range.first),
                                static_cast<uint32_t>(server.shard.range.end)};
  }
  server.workers = absl::StrSplit(options.workers, ',', absl::SkipEmpty());
  server.shard.slots = kSlots;
  server.shard.sram = Bytes(static_cast<int64_t>(options.sram_bytes));
  WL_RETURN_IF_ERROR(SetCommon(options, what, &server));
  WL_ASSIGN_OR_RETURN(
      WorkerListing listing,
      WorkerListing::Prepare(options.listing, {.role = membership::Role::kShard, .layers = layers},
                             options.listen, options.model));
  KeepListed(&listing, &server);
  return UntilSignal(&server, [&server](const std::atomic<bool>& stop) {
    return shard::RunShardServer(server, stop);
  });
}

// A worker of a part of layers.
template <typename Options>
absl::Status RunLayerServer(const WorkerOptions& options, const std::string& what,
                            absl::Status (*run)(const Options&, const std::atomic<bool>&),
                            Options server) {
  WL_ASSIGN_OR_RETURN(server.worker.layers,
                      ParseRange<shard::LayerRange>("--layers", options.layers));
  server.worker.sram = Bytes(static_cast<int64_t>(options.sram_bytes));
  WL_RETURN_IF_ERROR(SetCommon(options, what, &server));
  return UntilSignal(&server, [&](const std::atomic<bool>& stop) { return run(server, stop); });
}

}  // namespace

absl::Status RunShard(const WorkerOptions& options) {
  shard::ShardServerOptions server;
  if (!options.experts.empty()) {
    WL_ASSIGN_OR_RETURN(server.shard.experts,
                        ParseRange<shard::ExpertRange>("--experts", options.experts));
  }
  return RunShardServer(options, "shard " + options.layers, std::move(server));
}

absl::Status RunAttention(const WorkerOptions& options) {
  shard::ShardServerOptions server;
  server.shard.feed_forward_elsewhere = true;
  server.shard.micro_batches = options.micro_batches;
  return RunShardServer(options, "attention of layers " + options.layers, std::move(server));
}

absl::Status RunExperts(const WorkerOptions& options) {
  shard::ExpertServerOptions server;
  WL_ASSIGN_OR_RETURN(server.worker.experts,
                      ParseRange<shard::ExpertRange>("--experts", options.experts));
  return RunLayerServer(options,
                        absl::StrCat("experts ", options.experts, " of layers ", options.layers),
                        &shard::RunExpertServer, std::move(server));
}

absl::Status RunFeedForward(const WorkerOptions& options) {
  return RunLayerServer(options, "feed-forward of layers " + options.layers,
                        &shard::RunFeedForwardServer, shard::FeedForwardServerOptions());
}

absl::Status RunPrefill(const WorkerOptions& options) {
  prefill::PrefillServerOptions server;
  WL_RETURN_IF_ERROR(SetCommon(options, "prefill worker", &server));
  WL_ASSIGN_OR_RETURN(WorkerListing listing,
                      WorkerListing::Prepare(options.listing, {.role = membership::Role::kPrefill},
                                             options.listen, options.model));
  KeepListed(&listing, &server);
  return UntilSignal(&server, [&server](const std::atomic<bool>& stop) {
    return prefill::RunPrefillServer(server, stop);
  });
}

}  // namespace waferline::app
