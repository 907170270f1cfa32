#include "server/app/worker_command.h"

#include <utility>

#include "server/app/worker_roles.h"
#include "wafer_backend/base/command_line/program.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/units.h"
#include "wafer_backend/compute/shard/worker_links.h"

namespace waferline::app {
namespace {

constexpr char kWorker[] = "worker", kShard[] = "shard", kExperts[] = "experts",
               kAttention[] = "attention";
constexpr char kFeedForward[] = "ffn", kPrefill[] = "prefill";

std::string TextOrNone(const cli::Arguments& arguments, const char* flag) {
  return arguments.Has(flag) ? arguments.Text(flag) : "";
}

}  // namespace

// worker: a shard, best with --layers any.
std::vector<std::string> WorkerRoles() {
  return {kShard, kExperts, kAttention, kFeedForward, kPrefill, kWorker};
}

std::vector<cli::Flag> WorkerFlags() {
  const std::vector<std::string> of_layers = {kShard, kExperts, kAttention, kFeedForward, kWorker};
  const std::vector<std::string> workers = WorkerRoles();
  std::vector<cli::Flag> flags = {
      cli::TextFlag("model", "FILE", "the GGUF file").Required().With("role", workers),
      cli::TextFlag("listen", "HOST:PORT", "address of this worker; port 0: the system chooses")
          .Default("127.0.0.1:0")
          .With("role", workers),
      cli::IntegerFlag("threads", "N", "threads that compute", {1, 1024})
          .Default(1)
          .With("role", workers),
      cli::TextFlag("probe", "HOST:PORT",
                    "a port with /live, /ready and /metrics; none if not given")
          .With("role", workers),
      cli::TextFlag("tls", "DIR",
                    "TLS with DIR/tls.crt, tls.key and ca.crt, which may be replaced; plain if not "
                    "given")
          .With("role", workers),
      cli::NumberFlag("tls-reload", "SECONDS", "how often those files are looked at for new ones",
                      {1, 86400})
          .Default(30)
          .With("role", workers),
      cli::Switch("insecure", "listen beyond loopback without --tls").With("role", workers),
      cli::TextFlag("layers", "FIRST:END",
                    "the layers it holds, END not included; of shards and attention workers also "
                    "any: those that its "
                    "driver assigns")
          .Required()
          .With("role", of_layers),
      cli::TextFlag("experts", "FIRST:END",
                    "the experts of those layers that it holds; all if not given to a shard")
          .With("role", {kShard, kExperts, kWorker}),
      cli::TextFlag("expert-workers", "HOST:PORT,...", "who holds the others")
          .With("role", {kShard, kWorker}),
      cli::TextFlag("ffn-workers", "HOST:PORT,...", "who computes its layers' feed-forward parts")
          .Required()
          .With("role", {kAttention}),
      cli::IntegerFlag("micro-batches", "N",
                       "parts of a step that are under way at once, so that both sides work",
                       {1, static_cast<int64_t>(shard::WorkerLinks::kMaxAsked)})
          .Default(2)
          .With("role", {kAttention}),
      cli::NumberFlag("sram-bytes", "N", "bytes of its emulated SRAM", {1, 1e15})
          .Default(44e9)
          .With("role", of_layers),
  };
  for (cli::Flag& flag : ListingFlags()) {
    // The others need --registry, which needs the role.
    flags.push_back(flag.condition ? std::move(flag)
                                   : flag.With("role", {kShard, kPrefill, kWorker}));
  }
  return flags;
}

absl::Status RunWorker(const cli::Arguments& arguments) {
  const std::string& role = arguments.Text("role");
  if (arguments.Has("tls") && arguments.Text("tls").empty()) {
    return cli::UsageError("--tls is empty, must be a folder; leave it out for plain links");
  }
  if (arguments.Has("tls")) {
    const absl::Status folder = CheckFolder(arguments.Text("tls"));
    if (!folder.ok()) return {folder.code(), absl::StrCat("--tls: ", folder.message())};
  }
  WorkerOptions options{
      .listen = arguments.Text("listen"),
      .model = arguments.Text("model"),
      .threads = static_cast<int>(arguments.Integer("threads")),
      .tls = TextOrNone(arguments, "tls"),
      .tls_reload = Nanoseconds(static_cast<int64_t>(arguments.Number("tls-reload") * 1e9)),
      .insecure = arguments.On("insecure"),
      .probe = TextOrNone(arguments, "probe"),
      .port_file = arguments.Text("port-file")};
  if (role == kWorker || role == kShard || role == kPrefill)
    options.listing = ReadListing(arguments);
  if (role == kPrefill) return RunPrefill(options);
  options.layers = arguments.Text("layers");
  options.sram_bytes = arguments.Number("sram-bytes");
  options.experts = TextOrNone(arguments, "experts");
  if (role == kExperts) {
    if (options.experts.empty()) return cli::UsageError("--experts FIRST:END is missing");
    return RunExperts(options);
  }
  if (role == kFeedForward) return RunFeedForward(options);
  if (role == kAttention) {
    options.workers = arguments.Text("ffn-workers");
    options.micro_batches = static_cast<int>(arguments.Integer("micro-batches"));
    return RunAttention(options);
  }
  options.workers = TextOrNone(arguments, "expert-workers");
  return RunShard(options);
}

}  // namespace waferline::app
