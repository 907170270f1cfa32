// waferd: serves a configuration, or is one worker of it (a shard, the prefill pool) in a process
// of its own. Exit codes: 0 ended by a signal, 1 could not start or run, 2 the command line is
// wrong.
#include <string>
#include <vector>

#include "server/app/serve.h"
#include "server/app/worker_roles.h"
#include "server/config/server_config.h"
#include "wafer_backend/base/command_line/arguments.h"
#include "wafer_backend/base/command_line/program.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/kernels/cpu.h"

namespace waferline::app {
namespace {

using cli::Arguments;

constexpr char kServe[] = "serve";
constexpr char kShard[] = "shard";
constexpr char kPrefill[] = "prefill";

absl::Status RunServer(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(config::ServerConfig config,
                      config::LoadServerConfig(arguments.Text("config")));
  if (arguments.Has("http-port")) {
    config.listen.http_port = static_cast<int>(arguments.Integer("http-port"));
  }
  if (arguments.Has("grpc-port")) {
    config.listen.grpc_port = static_cast<int>(arguments.Integer("grpc-port"));
  }
  return Serve({.config = std::move(config),
                .config_path = arguments.Text("config"),
                .port_file = arguments.Text("port-file")});
}

absl::Status RunRole(const Arguments& arguments) {
  if (arguments.Has("cpu")) {
    const absl::Status status = kernels::ChoosePath(arguments.Text("cpu"));
    if (!status.ok()) return cli::UsageError("--cpu: " + std::string(status.message()));
  }
  const std::string& role = arguments.Text("role");
  if (role == kServe) return RunServer(arguments);
  WorkerOptions options{.listen = arguments.Text("listen"),
                        .model = arguments.Text("model"),
                        .threads = static_cast<int>(arguments.Integer("threads")),
                        .port_file = arguments.Text("port-file")};
  if (role == kPrefill) return RunPrefill(options);
  options.layers = arguments.Text("layers");
  options.sram_bytes = arguments.Number("sram-bytes");
  return RunShard(options);
}

std::vector<cli::Flag> Flags() {
  const std::vector<std::string> workers = {kShard, kPrefill};
  return {
      cli::ChoiceFlag("role", "ROLE", "the whole server, or one worker of it in its own process",
                      {kServe, kShard, kPrefill})
          .Default(kServe),
      cli::TextFlag("port-file", "FILE",
                    "write the ports to this file, as JSON, once they are open")
          .Default(""),
      cli::ChoiceFlag("cpu", "NAME",
                      "instructions to use, the same in all processes of a model; the best of "
                      "this machine if not given",
                      {"portable", "avx2", "avx512"}),
      cli::TextFlag("config", "FILE", "the configuration file")
          .Default("deploy/config/demo.yaml")
          .With("role", {kServe}),
      cli::IntegerFlag("http-port", "PORT", "instead of the configuration's; 0: the system chooses",
                       {0, 65535})
          .With("role", {kServe}),
      cli::IntegerFlag("grpc-port", "PORT", "instead of the configuration's; 0: the system chooses",
                       {0, 65535})
          .With("role", {kServe}),
      cli::TextFlag("model", "FILE", "the GGUF file").Required().With("role", workers),
      cli::TextFlag("listen", "HOST:PORT", "address of this worker; port 0: the system chooses")
          .Default("127.0.0.1:0")
          .With("role", workers),
      cli::IntegerFlag("threads", "N", "threads that compute", {1, 1024})
          .Default(1)
          .With("role", workers),
      cli::TextFlag("layers", "FIRST:END", "the layers it holds, END not included")
          .Required()
          .With("role", {kShard}),
      cli::NumberFlag("sram-bytes", "N", "bytes of its emulated SRAM", {1, 1e15})
          .Default(44e9)
          .With("role", {kShard}),
  };
}

cli::Program Waferd() {
  const std::string summary = "An inference server that emulates a wafer-scale token cloud";
  return {
      .name = "waferd",
      .version = WAFERLINE_VERSION,
      .summary = summary,
      .groups = {{.commands = {{.words = "",
                                .summary = summary,
                                .flags = Flags(),
                                .examples = {"waferd --config deploy/config/demo.yaml",
                                             "waferd --role shard --model demo.gguf --layers 0:3 "
                                             "--listen 127.0.0.1:7101",
                                             "waferd --role prefill --model demo.gguf "
                                             "--listen 127.0.0.1:7100"},
                                .run = RunRole}}}},
      .manual_section = 8};
}

}  // namespace
}  // namespace waferline::app

int main(int argc, char** argv) {
  waferline::app::BlockSignals();
  return waferline::cli::RunProgram(waferline::app::Waferd(),
                                    std::vector<std::string>(argv + 1, argv + argc));
}
