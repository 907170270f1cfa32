// The request before a run.
#include <utility>

#include "client/load/load_run.h"

namespace waferline::load {

absl::Status Warm(sdk::TokenClient& client, sdk::GenerateSpec* request, const Prompt& prompt) {
  // A server may know neither field, or only stream_options.
  for (const auto& [token_ids, usage] : {std::pair(true, true), {false, true}, {false, false}}) {
    request->ask_token_ids = token_ids;
    request->ask_usage = usage;
    sdk::GenerateSpec spec = *request;
    spec.prompt = prompt;
    const absl::Status status = sdk::Run(client, spec, [](const sdk::Piece&) {}).status;
    if (status.code() != absl::StatusCode::kInvalidArgument || !usage) return status;
  }
  return absl::OkStatus();
}

}  // namespace waferline::load
