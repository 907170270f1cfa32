// waferd: serves a configuration, or is one worker of it (a shard, a part of its layers, the
// prefill pool) in a process of its own. Exit codes: 0 ended by a signal, 1 could not start or run,
// 2 the command line is wrong.
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/app/json_log.h"
#include "server/app/one_model.h"
#include "server/app/read_config.h"
#include "server/app/serve.h"
#include "server/app/signals.h"
#include "server/app/worker_command.h"
#include "server/config/listen_reader.h"
#include "server/config/server_config.h"
#include "server/runtime/bus_error.h"
#include "server/runtime/host.h"
#include "server/text/chat_template.h"
#include "server/text/tool_format.h"
#include "wafer_backend/base/command_line/arguments.h"
#include "wafer_backend/base/command_line/build_commit.h"
#include "wafer_backend/base/command_line/program.h"
#include "wafer_backend/base/command_line/stdout_text.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/kernels/cpu.h"
#include "wafer_backend/hardware/silicon/hardware_file.h"
#include "wafer_backend/hardware/timing/model_shape_file.h"
#include "wafer_backend/hardware/timing/profile_file.h"

namespace waferline::app {
namespace {

using cli::Arguments;

constexpr char kServe[] = "serve", kJson[] = "json";

std::string TextOr(const Arguments& arguments, const char* flag, std::string otherwise) {
  return arguments.Has(flag) ? arguments.Text(flag) : otherwise;
}

// waferd MODEL: a configuration made of the file and the flags.
absl::StatusOr<OneModel> ReadOneModel(const Arguments& arguments) {
  OneModelOptions options{.file = arguments.operand(0), .memory = runtime::AvailableMemory()};
  if (arguments.Has("config")) {
    return cli::UsageError("--config FILE and MODEL both say what to serve; give one of them");
  }
  if (options.file.ends_with(".yaml") || options.file.ends_with(".yml")) {
    return cli::UsageError("'" + options.file + "' is not a model; did you mean --config " +
                           options.file + "?");
  }
  options.name = TextOr(arguments, "name", options.name);
  options.shape = TextOr(arguments, "shape", options.shape);
  options.hardware = TextOr(arguments, "hardware", options.hardware);
  options.profile = TextOr(arguments, "profile", options.profile);
  options.prefill = TextOr(arguments, "prefill", options.prefill);
  options.chat_template = TextOr(arguments, "chat-template", options.chat_template);
  options.tool_format = TextOr(arguments, "tool-format", options.tool_format);
  if (arguments.Has("shards")) options.shards = static_cast<int>(arguments.Integer("shards"));
  if (arguments.Has("context")) options.context = arguments.Integer("context");
  return ConfigureOneModel(options);
}

config::PortFlags PortsOf(const Arguments& arguments) {
  const auto port = [&arguments](const char* flag) {
    return arguments.Has(flag) ? std::optional(static_cast<int>(arguments.Integer(flag)))
                               : std::nullopt;
  };
  return {.http = port("http-port"), .grpc = port("grpc-port")};
}

absl::Status CheckStateFolder(const std::string& folder) {
  const absl::Status status = CheckFolder(folder);
  if (status.ok() || absl::IsNotFound(status)) return absl::OkStatus();
  return {status.code(), absl::StrCat("--state-dir: ", status.message())};
}

// The usage database in a folder that is made if there is none.
absl::StatusOr<std::string> StateFile(const std::string& folder) {
  WL_RETURN_IF_ERROR(CheckStateFolder(folder));
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return absl::UnavailableError("--state-dir " + folder + ": " + error.message());
  return "sqlite:" + (std::filesystem::path(folder) / "usage.db").string();
}

// --explain, --check-config, --print-config: says it instead of serving. Nothing: serve.
std::optional<absl::StatusOr<std::string>> Said(const Arguments& arguments,
                                                const ConfigOverrides& overrides) {
  const std::string& file = arguments.Text("config");
  if (arguments.Has("explain")) return Explained(arguments.Text("explain"));
  if (arguments.On("check-config")) {
    if (!arguments.Has("state-dir")) return CheckedConfig(file, overrides, "");
    const absl::Status folder = CheckStateFolder(arguments.Text("state-dir"));
    if (!folder.ok()) return folder;
    return CheckedConfig(file, overrides, "sqlite:usage.db");  // the server makes the folder
  }
  if (arguments.On("print-config")) return PrintedConfig(file, overrides);
  return std::nullopt;
}

absl::Status RunServer(const Arguments& arguments) {
  auto overrides = ReadOverrides(arguments.Texts("set"), environ);
  if (!overrides.ok()) return cli::UsageError(std::string(overrides.status().message()));
  overrides->ports = PortsOf(arguments);
  const bool one_model = !arguments.operands().empty();
  if (one_model && (!arguments.Texts("set").empty() || arguments.On("check-config") ||
                    arguments.On("print-config"))) {
    return cli::UsageError(
        "--set, --check-config and --print-config are about a configuration file; they have no "
        "effect with MODEL");
  }
  if (const auto said = Said(arguments, *overrides)) {
    if (!said->ok()) return said->status();
    cli::WriteStdout(**said);
    return absl::OkStatus();
  }
  OneModel one;
  if (one_model) {
    WL_ASSIGN_OR_RETURN(one, ReadOneModel(arguments));
    config::ListenConfig& listen = one.config.listen;
    listen.http_port = overrides->ports.http.value_or(listen.http_port);
    listen.grpc_port = overrides->ports.grpc.value_or(listen.grpc_port);
    if (const auto clash = config::FindPortClash(listen)) {
      return cli::UsageError(absl::StrCat("listen.", clash->field, ": ", clash->what));
    }
  } else {
    WL_ASSIGN_OR_RETURN(config::ReadServerConfig read,
                        LoadConfig(arguments.Text("config"), *overrides));
    one.config = std::move(read.config);
  }
  config::ServerConfig& config = one.config;
  if (arguments.Has("state-dir")) {
    config.billing.on = true;
    if (!config.billing.store.empty()) {
      return cli::UsageError("--state-dir and the configuration's billing.store (" +
                             config.billing.store + ") both say where records are kept; drop one");
    }
    WL_ASSIGN_OR_RETURN(config.billing.store, StateFile(arguments.Text("state-dir")));
  }
  return Serve({.config = std::move(config),
                .config_path = one_model ? "" : arguments.Text("config"),
                .remark = std::move(one.remark),
                .port_file = arguments.Text("port-file")});
}

absl::Status RunRole(const Arguments& arguments) {
  if (arguments.Text("log") == kJson) LogAsJson();
  if (arguments.Has("cpu")) {
    const absl::Status status = kernels::ChoosePath(arguments.Text("cpu"));
    if (!status.ok()) return cli::UsageError("--cpu: " + std::string(status.message()));
  }
  const std::string& role = arguments.Text("role");
  if (role == kServe) return RunServer(arguments);
  if (!arguments.operands().empty()) {
    return cli::UsageError("MODEL has no effect with --role " + role + "; use --model FILE");
  }
  return RunWorker(arguments);
}

std::vector<cli::Flag> ModelFlags() {
  return {
      cli::TextFlag("name", "NAME", "what clients call it; the name in the file if not given"),
      cli::TextFlag("shape", "NAME|FILE", "time it as this model; as itself if not given")
          .Suggest(timing::BuiltInModelShapes()),
      cli::TextFlag("hardware", "NAME|FILE", "what decodes, emulated; wse-3 if not given")
          .Suggest(silicon::BuiltInHardware()),
      cli::TextFlag("profile", "NAME|FILE", "kernels of a wafer; vendor-2024 if not given")
          .Suggest(timing::BuiltInProfiles()),
      cli::TextFlag("prefill", "NAME|FILE", "accelerator that prefills; h100 if not given")
          .Suggest(silicon::BuiltInHardware()),
      cli::IntegerFlag("shards", "N", "shards that share its layers; 2 if not given", {1, 1024}),
      cli::IntegerFlag("context", "N",
                       "longest sequence; what the file allows and memory holds if not given",
                       {1, int64_t{1} << 28}),
      cli::TextFlag("chat-template", "NAME|FILE", "instead of the file's own template")
          .Suggest(text::ChatTemplate::BuiltInNames()),
      cli::TextFlag("tool-format", "NAME",
                    "how the model writes calls of tools, if not as its template says")
          .Suggest(text::ToolFormNames()),
  };
}

std::vector<cli::Flag> Flags() {
  std::vector<std::string> roles = WorkerRoles();
  roles.insert(roles.begin(), kServe);
  std::vector<cli::Flag> flags = {
      cli::ChoiceFlag("role", "ROLE", "the whole server, or one worker of it in its own process",
                      roles)
          .Default(kServe),
      cli::TextFlag("port-file", "FILE",
                    "write the ports to this file, as JSON, once they are open")
          .Default(""),
      cli::ChoiceFlag("log", "FORM",
                      "of the log on stderr; json: also a line for each request, without its text",
                      {"text", kJson})
          .Default("text"),
      cli::ChoiceFlag("cpu", "NAME",
                      "instructions to use, the same in all processes of a model; the best of "
                      "this machine if not given, but for avx512-bf16, which rounds attention more",
                      kernels::CpuPathNames()),
      cli::TextFlag("config", "FILE", "the configuration file")
          .Default("deploy/config/demo.yaml")
          .With("role", {kServe}),
      cli::TextFlag("set", "PATH=VALUE",
                    "instead of the file's value, as models.0.context=8192; also "
                    "WAFERLINE_SET_MODELS__0__CONTEXT=8192 in the environment")
          .Repeatable()
          .With("role", {kServe}),
      cli::Switch("check-config",
                  "find faults of the file, and if it has none of what it names; serve nothing")
          .With("role", {kServe}),
      cli::Switch("print-config", "print every field, its value and where that came from")
          .With("role", {kServe}),
      cli::TextFlag(
          "explain", "FIELD",
          "what a field of the file is; all: every field, as Markdown; schema: as a JSON schema, "
          "for editors")
          .With("role", {kServe}),
      cli::IntegerFlag("http-port", "PORT",
                       "instead of the configuration's (also --port); 0: the system chooses",
                       {0, 65535})
          .Alias("port")
          .With("role", {kServe}),
      cli::IntegerFlag("grpc-port", "PORT", "instead of the configuration's; 0: the system chooses",
                       {0, 65535})
          .With("role", {kServe}),
      cli::TextFlag("state-dir", "DIR",
                    "record usage, tenants and keys in DIR/usage.db; nothing is recorded without "
                    "it or the configuration's 'billing'")
          .With("role", {kServe}),
  };
  for (cli::Flag& flag : WorkerFlags()) flags.push_back(std::move(flag));
  for (cli::Flag& flag : ModelFlags()) flags.push_back(flag.WithOperand("MODEL"));
  return flags;
}

cli::Program Waferd() {
  const std::string summary = "An inference server that emulates a wafer-scale token cloud";
  return {
      .name = "waferd",
      .version = WAFERLINE_VERSION,
      .summary = summary,
      .groups = {{.commands = {{.words = "",
                                .summary = summary,
                                .operands = {{"[MODEL]",
                                              "serve this model file, without a configuration"}},
                                .flags = Flags(),
                                .examples = {"waferd deploy/models/demo.gguf --port 8080",
                                             "waferd --config deploy/config/demo.yaml",
                                             "waferd --check-config --config server.yaml",
                                             "waferd --explain models.0.prefill.workers",
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
  waferline::runtime::NameBusErrors();
  return waferline::cli::RunProgram(waferline::app::Waferd(),
                                    std::vector<std::string>(argv + 1, argv + argc),
                                    waferline::cli::kBuildCommit);
}
