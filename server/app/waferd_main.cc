// waferd: serves a configuration, or is one worker of it (a shard, the prefill pool) in a process
// of its own. Exit codes: 0 ended by a signal, 1 could not start or run, 2 the command line is
// wrong.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/flags/usage_config.h"
#include "server/app/serve.h"
#include "server/app/worker_roles.h"
#include "server/config/server_config.h"
#include "wafer_backend/compute/kernels/cpu.h"

ABSL_FLAG(std::string, role, "serve", "serve: the whole cloud; shard or prefill: one worker of it");
ABSL_FLAG(std::string, config, "deploy/config/demo.yaml", "serve: the configuration file");
ABSL_FLAG(int, http_port, -1, "serve: instead of the configuration's; 0: the system chooses");
ABSL_FLAG(int, grpc_port, -1, "serve: instead of the configuration's; 0: the system chooses");
ABSL_FLAG(std::string, port_file, "", "gets the ports as JSON once they are open");
ABSL_FLAG(std::string, listen, "127.0.0.1:0", "shard, prefill: HOST:PORT to be reached at");
ABSL_FLAG(std::string, model, "", "shard, prefill: the GGUF file");
ABSL_FLAG(std::string, layers, "", "shard: FIRST:END of the layers it holds");
ABSL_FLAG(double, sram_bytes, 44e9, "shard: capacity of its SRAM ledger");
ABSL_FLAG(int, threads, 1, "shard, prefill: threads that compute");
ABSL_FLAG(
    std::string, cpu, "",
    "portable, avx2 or avx512 instead of the best of this machine; all processes of one model "
    "must use the same");

namespace waferline::app {
namespace {

int Fail(const absl::Status& status) {
  fprintf(stderr, "waferd: %s\n", std::string(status.message()).c_str());
  return 1;
}

int Misused(const std::string& message) {
  fprintf(stderr, "waferd: %s\nwaferd: --help shows the flags\n", message.c_str());
  return 2;
}

int ServeRole() {
  auto config = config::LoadServerConfig(absl::GetFlag(FLAGS_config));
  if (!config.ok()) return Fail(config.status());
  for (const auto& [flag, port] :
       {std::pair{absl::GetFlag(FLAGS_http_port), &config->listen.http_port},
        std::pair{absl::GetFlag(FLAGS_grpc_port), &config->listen.grpc_port}}) {
    if (flag > 65535 || flag < -1)
      return Misused("a port is " + std::to_string(flag) + ", must lie in [0, 65535]");
    if (flag >= 0) *port = flag;
  }
  const absl::Status status =
      Serve({.config = *std::move(config), .port_file = absl::GetFlag(FLAGS_port_file)});
  return status.ok() ? 0 : Fail(status);
}

int WorkerRole(const std::string& role) {
  if (absl::GetFlag(FLAGS_model).empty()) return Misused("--role " + role + " needs --model FILE");
  if (role == "shard" && absl::GetFlag(FLAGS_layers).empty())
    return Misused("--role shard needs --layers FIRST:END");
  const WorkerOptions options{.listen = absl::GetFlag(FLAGS_listen),
                              .model = absl::GetFlag(FLAGS_model),
                              .layers = absl::GetFlag(FLAGS_layers),
                              .sram_bytes = absl::GetFlag(FLAGS_sram_bytes),
                              .threads = absl::GetFlag(FLAGS_threads),
                              .port_file = absl::GetFlag(FLAGS_port_file)};
  const absl::Status status = role == "shard" ? RunShard(options) : RunPrefill(options);
  return status.ok() ? 0 : Fail(status);
}

// Abseil's flags have underscores; people type --http-port.
std::vector<std::string> WithUnderscores(int argc, char** argv) {
  std::vector<std::string> words(argv, argv + argc);
  for (std::string& word : words) {
    if (!word.starts_with("--")) continue;
    const size_t end = std::min(word.find('='), word.size());
    std::replace(word.begin() + 2, word.begin() + static_cast<std::ptrdiff_t>(end), '-', '_');
  }
  return words;
}

}  // namespace
}  // namespace waferline::app

int main(int argc, char** argv) {
  using namespace waferline::app;
  BlockSignals();
  absl::SetProgramUsageMessage(
      "an inference server that emulates a wafer-scale token cloud\n\n"
      "  waferd [--config FILE]\n"
      "  waferd --role shard --model FILE --layers 0:3 --listen 127.0.0.1:7101\n"
      "  waferd --role prefill --model FILE --listen 127.0.0.1:7100");
  absl::FlagsUsageConfig usage;
  usage.version_string = [] { return std::string("waferd ") + WAFERLINE_VERSION + "\n"; };
  const auto own = [](absl::string_view file) {
    return absl::string_view(file).find("waferd_main") != absl::string_view::npos;
  };
  usage.contains_help_flags = usage.contains_helpshort_flags = own;
  absl::SetFlagsUsageConfig(usage);
  std::vector<std::string> words = WithUnderscores(argc, argv);
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  const std::vector<char*> rest = absl::ParseCommandLine(argc, pointers.data());
  if (rest.size() > 1) return Misused("\"" + std::string(rest[1]) + "\" is not understood");
  if (const std::string cpu = absl::GetFlag(FLAGS_cpu); !cpu.empty()) {
    const absl::Status status = waferline::kernels::ChoosePath(cpu);
    if (!status.ok()) return Misused("--cpu: " + std::string(status.message()));
  }
  const std::string role = absl::GetFlag(FLAGS_role);
  if (role == "serve") return ServeRole();
  if (role == "shard" || role == "prefill") return WorkerRole(role);
  return Misused("--role is \"" + role + "\", must be one of: serve, shard, prefill");
}
