#include "server/app/serve.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <functional>
#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "server/app/admin_actions.h"
#include "server/app/cell_member.h"
#include "server/app/cloud.h"
#include "server/app/descriptors.h"
#include "server/app/front_ends.h"
#include "server/app/remark_log.h"
#include "server/app/signals.h"
#include "server/runtime/host.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/kernels/cpu.h"

namespace waferline::app {
namespace {

constexpr size_t kMinDescriptors = 48;  // to load a model and open two ports

std::string PortsOf(const FrontEnds& front) {
  const std::string admin =
      front.admin_port() == 0 ? "" : absl::StrCat(",\"admin\":", front.admin_port());
  return absl::StrCat("{\"http\":", front.http_port(), ",\"grpc\":", front.grpc_port(), admin,
                      ",\"pid\":", getpid(), "}\n");
}

// What a client on this machine calls a server that listens on `address`.
std::string UrlHost(const std::string& address) {
  if (address == "0.0.0.0") return "127.0.0.1";
  if (address == "::") return "[::1]";
  return address.find(':') == std::string::npos ? address : "[" + address + "]";
}

// What an operator should know of a configuration that is valid.
void PrintWarnings(const ServeOptions& options, const FrontEnds& front) {
  const config::ServerConfig& config = options.config;
  const std::string& address = config.listen.address;
  const bool loopback = address.starts_with("127.") || address == "::1";
  const bool certificates = config.tls && config.tls->required;
  if (!front.needs_keys() && !loopback && !certificates) {
    fprintf(stderr,
            "waferd: warning: listening on %s without API keys: every machine that reaches it may "
            "use it\n",
            address.c_str());
  }
  constexpr double kYear = 365.25 * 24 * 3600, kEmulatedSeconds = 9'223'372'036;  // 2^63 ns
  const double ends = config.clock.stepped ? kYear : kEmulatedSeconds / config.clock.scale;
  if (ends < kYear) {
    fprintf(
        stderr,
        "waferd: warning: clock.scale %g: emulated time, 292 years of it, ends %.1f hours after "
        "this start; from then on it refuses every request: start it again before\n",
        config.clock.scale, ends / 3600);
  }
  struct stat file;
  if (!config.api_keys.empty() && stat(options.config_path.c_str(), &file) == 0 &&
      (file.st_mode & (S_IRGRP | S_IROTH)) != 0) {
    fprintf(stderr,
            "waferd: warning: %s has api_keys and is readable by other users (chmod 600, or write "
            "them as sha256: digests)\n",
            options.config_path.c_str());
  }
}

// To what the descriptors that are left allow.
absl::Status LimitConnections(config::ServerConfig* config) {
  const size_t ports = config->listen.admin_port ? 3 : 2;
  WL_ASSIGN_OR_RETURN(const size_t allowed, ConnectionsOfEach(ports, config->limits.connections));
  if (allowed == config->limits.connections) return absl::OkStatus();
  fprintf(stderr,
          "waferd: warning: at most %zu connections on each port, not %u: more file descriptors "
          "are not allowed (ulimit -n)\n",
          allowed, config->limits.connections);
  config->limits.connections = static_cast<uint32_t>(allowed);
  return absl::OkStatus();
}

// What the models are, and what is not possible with them.
void PrintModels(const ServeOptions& options, const Cloud& cloud) {
  printf("  models\n");
  for (const auto& served : cloud.catalog().all()) {
    printf("    %-18s %s\n", served->name.c_str(), served->origin_label.c_str());
    if (!served->about.empty()) printf("    %-18s %s\n", "", served->about.c_str());
    if (!served->chat.ok()) {
      printf("    %-18s no chat: %s\n", "", std::string(served->chat.status().message()).c_str());
    }
  }
  if (!options.remark.empty()) printf("    %s\n", options.remark.c_str());
}

// Commands that work as they are printed, where the server asks for no certificate and no key.
void PrintWhatToTry(const std::string& url, const config::ServerConfig& config,
                    const text::ServedModel& model, bool needs_keys) {
  const bool chat = model.chat.ok();
  std::string ca;  // " FILE"
  if (config.tls && config.tls->http) {
    ca = " " + (config.tls->ca.empty() ? config.tls->cert : config.tls->ca);
  }
  printf("  try%s\n", config.tls && config.tls->required
                          ? " (with a certificate of your own: --cert FILE --key FILE)"
                          : "");
  if (needs_keys) printf("    (KEY: one of this server's API keys)\n");
  // Where it was built, or as it is installed.
  const char* waferctl =
      access("build/bin/waferctl", X_OK) == 0 ? "build/bin/waferctl" : "waferctl";
  printf("    %s %s --server %s%s%s\n", waferctl, chat ? "chat" : "complete \"Once upon a\"",
         url.c_str(), ca.empty() ? "" : (" --ca" + ca).c_str(), needs_keys ? " --api-key KEY" : "");
  printf("    curl -N%s %s/v1/%s -H 'Content-Type: application/json'%s \\\n",
         ca.empty() ? "" : (" --cacert" + ca).c_str(), url.c_str(),
         chat ? "chat/completions" : "completions",
         needs_keys ? " -H 'Authorization: Bearer KEY'" : "");
  printf("      -d '{\"model\": \"%s\", \"stream\": true, %s}'\n", model.name.c_str(),
         chat ? "\"messages\": [{\"role\": \"user\", \"content\": \"Tell me a story.\"}]"
              : "\"prompt\": \"Once upon a\", \"max_tokens\": 64");
}

void PrintReady(const ServeOptions& options, const Cloud& cloud, const FrontEnds& front) {
  const config::ServerConfig& config = options.config;
  const std::string host = UrlHost(config.listen.address);
  const bool tls = config.tls && config.tls->http;
  const std::string url =
      (tls ? "https://" : "http://") + host + ":" + std::to_string(front.http_port());
  printf("waferd %s is ready\n", WAFERLINE_VERSION);
  printf("  HTTP   %s  (OpenAI-style; this page in a browser: %s/)\n", (url + "/v1").c_str(),
         url.c_str());
  printf("  gRPC   %s:%u  (waferline.v1%s)\n", host.c_str(), front.grpc_port(),
         config.tls && config.tls->grpc ? ", TLS" : "");
  if (front.admin_port() != 0) {
    printf("  admin  %s://%s:%u\n", tls ? "https" : "http",
           UrlHost(config.listen.admin_address).c_str(), front.admin_port());
  }
  for (const metrics::KvEventFigures& publisher : cloud.kv_events()) {
    printf("  KV     %s  (events of %s%s)\n", publisher.bind.c_str(), publisher.model.c_str(),
           publisher.replay.empty() ? "" : (", again at " + publisher.replay).c_str());
  }
  if (config.clock.stepped) {
    printf("  clock  stepped: as fast as tokens are computed, each carries its emulated instant\n");
  } else {
    printf("  clock  real, %g emulated seconds a second\n", config.clock.scale);
  }
  printf("  cpu    %s instructions (--cpu takes others)\n",
         std::string(kernels::Name(kernels::BestPath())).c_str());
  PrintModels(options, cloud);
  PrintWhatToTry(url, config, *cloud.catalog().all().front(), front.needs_keys());
  FlushPrinted();
}

// What a drain may wait for in vain.
void PrintOutages(const config::ServerConfig& config, const Cloud& cloud) {
  for (const config::ModelConfig& model : config.models) {
    const std::string outage = cloud.OutageOf(model.lane.model);
    if (outage.empty()) continue;
    printf("waferd: requests to %s wait for a worker, and end as 503 if it stays away: %s\n",
           model.lane.model.c_str(), outage.c_str());
  }
}

// Looks after the cell's workers; why this front end must not go on serving it, "": it may.
std::string KeepLeading(CellMember* member, Cloud* cloud) {
  if (member == nullptr) return "";
  member->KeepClaims(std::bind_front(&Cloud::JoinChain, cloud));
  if (member->outranked()) return "another front end leads the cell";
  if (!member->LostWorkers(std::bind_front(&Cloud::OutageOf, cloud))) return "";
  return "its workers have served another cell with a larger epoch; it asks for a larger one";
}

// Serves until a signal comes, whose name it returns, or `member` is outranked or has lost its
// workers to another cell: "".
absl::StatusOr<std::string> ServeCloud(const ServeOptions& options, CellMember* member) {
  std::optional<EndOnSignal> starting(std::in_place);
  WL_ASSIGN_OR_RETURN(const std::unique_ptr<Cloud> cloud,
                      Cloud::Build(options.config, options.standbys));
  AdminActions admin(&options.config, cloud.get());
  config::ServerConfig config = options.config;
  WL_RETURN_IF_ERROR(LimitConnections(&config));
  if (member != nullptr) member->CloseDoor();
  WL_ASSIGN_OR_RETURN(const std::unique_ptr<FrontEnds> front,
                      FrontEnds::Start(config, cloud.get(), &admin, member));
  starting.reset();
  admin.ReportTo([&front](bool taking) { front->SetServing(taking); });
  if (!options.port_file.empty()) {
    WL_RETURN_IF_ERROR(WriteFileAtOnce(options.port_file, PortsOf(*front)));
  }
  PrintReady(options, *cloud, *front);
  PrintWarnings(options, *front);

  std::string why;
  const char* caught = WaitForSignal([&] {
    why = KeepLeading(member, cloud.get());
    return !why.empty();
  });
  const std::string signal = caught == nullptr ? "" : caught;
  printf("waferd: %s, draining for at most %.0f s\n", caught == nullptr ? why.c_str() : caught,
         ToSeconds(options.config.limits.drain));
  PrintOutages(options.config, *cloud);
  FlushPrinted();
  if (caught != nullptr) EndOnSecondSignal();
  admin.StartStopping();
  front->StopServing();
  // Balancers learn of it by /ready and by 503, not by refused connections. A person who typed
  // Ctrl-C has none.
  if (signal != "SIGINT") {
    runtime::WaitFor([] { return false; }, options.config.limits.grace);
  }
  cloud->Stop();
  front->Stop();
  return signal;
}

}  // namespace

absl::Status Serve(const ServeOptions& options) {
  WL_RETURN_IF_ERROR(RequireDescriptors(kMinDescriptors));
  if (!options.config.cell) return ServeCloud(options, nullptr).status();
  ServeOptions now = options;
  WL_ASSIGN_OR_RETURN(const std::unique_ptr<CellMember> member, CellMember::Join(&now));
  for (;;) {
    // Standing by changes the configuration: the port is chosen once, workers at each election.
    WL_ASSIGN_OR_RETURN(const bool elected, member->StandBy(&now));
    if (!elected) return absl::OkStatus();
    const auto signal = ServeCloud(now, member.get());
    if (signal.ok() && !signal->empty()) return absl::OkStatus();
    const bool passes = absl::IsUnavailable(signal.status()) ||
                        (absl::IsFailedPrecondition(signal.status()) && member->EpochIsOver());
    if (!signal.ok() && !passes) return signal.status();
    if (!signal.ok()) fprintf(stderr, "waferd: %s\n", signal.status().ToString().c_str());
    member->EndLeading(signal.status());
  }
}

}  // namespace waferline::app
