#include "client/cli/serving/server_flags.h"

#include <cstdlib>
#include <limits>

#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::cli {
namespace {

constexpr int64_t kMost = std::numeric_limits<int32_t>::max();

std::string Environment(const char* name, const char* fallback) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : fallback;
}

}  // namespace

std::vector<Flag> ServerFlags() {
  return {TextFlag("server", "URL", "http://host:port or grpc://host:port",
                   Environment("WAFERLINE_SERVER", "http://127.0.0.1:8080")),
          // Not a fallback: the help must not show a key.
          TextFlag("api-key", "KEY", "for servers that want one (or WAFERLINE_API_KEY)")};
}

std::vector<Flag> GenerateFlags() {
  std::vector<Flag> flags = ServerFlags();
  const std::vector<Flag> own = {
      TextFlag("model", "NAME", "which model; the server's first one if absent"),
      IntegerFlag("max-tokens", "N", "at most so many tokens", std::nullopt, 1, kMost),
      NumberFlag("temperature", "T", "0 is greedy", std::nullopt, 0, 2),
      NumberFlag("top-p", "P", "only the likeliest tokens that make up P together", std::nullopt, 0,
                 1),
      IntegerFlag("top-k", "K", "only the K likeliest tokens", std::nullopt, 0, kMost),
      IntegerFlag("seed", "N", "the same seed gives the same answer", std::nullopt, 0,
                  std::numeric_limits<int64_t>::max()),
      TextFlag("stop", "TEXT", "end before this text; may stand more than once"),
      Switch("ignore-eos", "go on where the model would end"),
  };
  flags.insert(flags.end(), own.begin(), own.end());
  return flags;
}

absl::StatusOr<sdk::Endpoint> EndpointOf(const Arguments& arguments) {
  absl::StatusOr<sdk::Endpoint> endpoint = sdk::ParseEndpoint(arguments.Text("server"));
  if (!endpoint.ok()) return UsageError("--server: " + std::string(endpoint.status().message()));
  endpoint->api_key =
      arguments.Has("api-key") ? arguments.Text("api-key") : Environment("WAFERLINE_API_KEY", "");
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
