// What the commands that talk to a server have in common: --server, --model and the sampling flags.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/sdk/token_client.h"
#include "wafer_backend/base/command_line/arguments.h"
#include "wafer_backend/base/command_line/command.h"

namespace waferline::cli {

// --server, --api-key, --timeout, TLS files; their defaults are the environment's WAFERLINE_SERVER,
// OPENAI_BASE_URL, WAFERLINE_API_KEY and OPENAI_API_KEY.
std::vector<Flag> ServerFlags();
// The same for commands that only HTTP has: operators', accounts', invoices'.
std::vector<Flag> HttpServerFlags();
std::vector<Variable> ServerVariables();
// --model
Flag ModelNameFlag();
// --model, --max-tokens, --temperature, ... on top of those.
std::vector<Flag> GenerateFlags();

// A server's refusal whose message begins with a field's name, with that of the flag in its place.
absl::Status NamedByFlags(const absl::Status& status, const std::vector<Flag>& flags);

// Where the command has --server: refused without a key it says how to give one, and where no
// server answers what does, and what to write.
void SayWhatToTry(Command* command);

// A usage error if --server cannot be read.
absl::StatusOr<sdk::Endpoint> EndpointOf(const Arguments& arguments);
absl::StatusOr<std::unique_ptr<sdk::TokenClient>> ClientOf(const Arguments& arguments);

// --model, or the first model that the server lists.
absl::StatusOr<std::string> ModelOf(const Arguments& arguments, sdk::TokenClient& client);

// A request with everything but its prompt; the flags of GenerateFlags.
absl::StatusOr<sdk::GenerateSpec> SpecOf(const Arguments& arguments, sdk::TokenClient& client);

}  // namespace waferline::cli
