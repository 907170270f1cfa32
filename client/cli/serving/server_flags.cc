#include "client/cli/serving/server_flags.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/sdk/port_probe.h"
#include "client/sdk/tls_files.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::cli {
namespace {

constexpr int64_t kMax = std::numeric_limits<int32_t>::max();

constexpr char kLocal[] = "http://127.0.0.1:8080";

std::string Environment(const char* name, const char* fallback) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : fallback;
}

std::vector<Flag> FlagsOfServer(const std::string& addresses) {
  // OpenAI's clients have theirs from OPENAI_BASE_URL.
  const std::string server =
      Environment("WAFERLINE_SERVER", Environment("OPENAI_BASE_URL", kLocal).c_str());
  return {
      TextFlag("server", "URL", addresses + " over TLS; else $WAFERLINE_SERVER").Default(server),
      // Not a default: the help must not show a key.
      TextFlag("api-key", "KEY", "API key, if the server needs one"),
      TextFlag("ca", "FILE",
               "PEM: who may have issued the server's certificate; whom the "
               "system trusts if not given"),
      TextFlag("cert", "FILE", "PEM: own certificate, for servers that ask for one"),
      TextFlag("key", "FILE", "PEM: the private key of --cert"),
      NumberFlag("timeout", "SECONDS",
                 "give up when the server says nothing for so long; if not given: 10 to "
                 "connect, 60 until an answer begins, 600 within a stream",
                 {0.1, 86400})};
}

}  // namespace

std::vector<Flag> ServerFlags() {
  return FlagsOfServer("http://HOST:PORT or grpc://HOST:PORT; https and grpcs:");
}

std::vector<Flag> HttpServerFlags() { return FlagsOfServer("http://HOST:PORT; https:"); }

Flag ModelNameFlag() {
  return TextFlag("model", "NAME", "which model; the server's first if not given");
}

std::vector<Flag> GenerateFlags() {
  std::vector<Flag> flags = ServerFlags();
  const std::vector<Flag> own = {
      ModelNameFlag(),
      IntegerFlag("max-tokens", "N", "end the answer after N tokens", {1, kMax}),
      NumberFlag("temperature", "T", "0 always takes the likeliest token", {0, 2}),
      NumberFlag("top-p", "P", "only the likeliest tokens that together have probability P",
                 {0, 1}),
      IntegerFlag("top-k", "K", "only the K likeliest tokens", {0, kMax}),
      IntegerFlag("seed", "N", "the same seed gives the same answer", {}),
      TextFlag("stop", "TEXT", "end the answer before this text").Repeatable(),
      Switch("ignore-eos", "go on where the model would end"),
  };
  flags.insert(flags.end(), own.begin(), own.end());
  return flags;
}

std::vector<Variable> ServerVariables() {
  return {{"WAFERLINE_SERVER", "the server of commands without --server"},
          {"WAFERLINE_API_KEY", "the API key of commands without --api-key"},
          {"OPENAI_BASE_URL", "the server if WAFERLINE_SERVER is not set"},
          {"OPENAI_API_KEY",
           "the API key if WAFERLINE_API_KEY is not set, for other servers than the default"}};
}

absl::Status NamedByFlags(const absl::Status& status, const std::vector<Flag>& flags) {
  const std::string message(Std(status.message()));
  // "stop.max_tokens", "'max_tokens'"; `end`: after it
  constexpr std::string_view kOfName = "abcdefghijklmnopqrstuvwxyz0123456789_.'\"";
  size_t end = std::min(message.find_first_not_of(kOfName), message.size());
  std::string names = message.substr(0, end);
  // "'stop[0]'", "stop.strings[0]": an element of what the flag gives once for each.
  if (message[end] == '[') end = std::min(message.find_first_of(" :", end), message.size());
  std::erase_if(names, [](char c) { return c == '\'' || c == '"'; });
  std::replace(names.begin(), names.end(), '_', '-');
  for (const std::string& name :
       {names.substr(names.rfind('.') + 1), names.substr(0, names.find('.'))}) {
    for (const Flag& flag : flags) {
      if (flag.name == name) return absl::Status(status.code(), "--" + name + message.substr(end));
    }
  }
  return status;
}

void SayWhatToTry(Command* command) {
  const auto is_key = [](const Flag& flag) { return flag.name == "api-key"; };
  if (std::none_of(command->flags.begin(), command->flags.end(), is_key)) return;
  command->run = [run = std::move(command->run)](const Arguments& arguments) {
    absl::Status status = run(arguments);
    if (sdk::IsOfTransport(status)) {
      const absl::StatusOr<sdk::Endpoint> endpoint = EndpointOf(arguments);
      const std::string what = endpoint.ok() ? sdk::WhatAnswers(*endpoint) : "";
      return what.empty() ? status : absl::UnavailableError(what);
    }
    const bool has_key = arguments.Has("api-key") || !Environment("WAFERLINE_API_KEY", "").empty();
    if (!absl::IsUnauthenticated(status) || has_key) return status;
    return absl::UnauthenticatedError(
        absl::StrCat(status.message(), "; give --api-key KEY, or set WAFERLINE_API_KEY"));
  };
}

absl::StatusOr<sdk::Endpoint> EndpointOf(const Arguments& arguments) {
  absl::StatusOr<sdk::Endpoint> endpoint = sdk::ParseEndpoint(arguments.Text("server"));
  if (!endpoint.ok()) return UsageError("--server: " + std::string(endpoint.status().message()));
  sdk::TlsPaths paths;
  for (const auto& [flag, path] :
       {std::pair{"ca", &paths.ca}, std::pair{"cert", &paths.cert}, std::pair{"key", &paths.key}}) {
    if (!arguments.Has(flag)) continue;
    if (!endpoint->tls) {
      return UsageError(absl::StrCat("--", flag, " has no effect with ", endpoint->url(),
                                     "; write https:// or grpcs://"));
    }
    *path = arguments.Text(flag);
  }
  if (paths.cert.empty() != paths.key.empty()) return UsageError("--cert and --key go together");
  WL_ASSIGN_OR_RETURN(endpoint->pem, sdk::ReadTlsFiles(paths));
  if (arguments.Has("timeout")) {
    endpoint->patience =
        sdk::Patience::Of(Nanoseconds(std::llround(arguments.Number("timeout") * 1e9)));
  }
  // A key for another service does not go to the server that nothing was said about.
  const bool chosen = arguments.Text("server") != kLocal;
  endpoint->api_key = arguments.Has("api-key")
                          ? arguments.Text("api-key")
                          : Environment("WAFERLINE_API_KEY",
                                        chosen ? Environment("OPENAI_API_KEY", "").c_str() : "");
  return endpoint;
}

absl::StatusOr<std::unique_ptr<sdk::TokenClient>> ClientOf(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const sdk::Endpoint endpoint, EndpointOf(arguments));
  return sdk::MakeClient(endpoint);
}

absl::StatusOr<std::string> ModelOf(const Arguments& arguments, sdk::TokenClient& client) {
  if (arguments.Has("model")) return arguments.Text("model");
  WL_ASSIGN_OR_RETURN(const std::vector<sdk::ModelEntry> models, client.ListModels());
  if (models.empty())
    return absl::NotFoundError("the server lists no model; name one with --model");
  return models.front().id;
}

absl::StatusOr<sdk::GenerateSpec> SpecOf(const Arguments& arguments, sdk::TokenClient& client) {
  sdk::GenerateSpec spec;
  WL_ASSIGN_OR_RETURN(spec.model, ModelOf(arguments, client));
  if (arguments.Has("max-tokens")) {
    spec.max_tokens = static_cast<uint32_t>(arguments.Integer("max-tokens"));
  }
  if (arguments.Has("temperature")) spec.temperature = arguments.Number("temperature");
  if (arguments.Has("top-p")) spec.top_p = arguments.Number("top-p");
  if (arguments.Has("top-k")) spec.top_k = static_cast<uint32_t>(arguments.Integer("top-k"));
  if (arguments.Has("seed")) spec.seed = static_cast<uint64_t>(arguments.Integer("seed"));
  spec.stop = arguments.Texts("stop");
  spec.ignore_eos = arguments.On("ignore-eos");
  return spec;
}

}  // namespace waferline::cli
