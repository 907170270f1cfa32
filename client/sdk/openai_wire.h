// The OpenAI-style JSON of requests and streams, as a client writes and reads it. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "client/sdk/token_client.h"

namespace waferline::sdk {

// "/v1/chat/completions" or "/v1/completions".
std::string_view PathFor(const GenerateSpec& spec);
// A streaming request that also asks for usage.
std::string BodyFor(const GenerateSpec& spec);

// One `data:` of a stream.
struct WireChunk {
  bool done = false;  // [DONE]
  Piece piece;
  bool has_content = false;  // some of the answer, and not only a role or usage
};
// Fills what the chunk says about the end into `ending`. Internal if it is no JSON object. An
// {"error": ...} chunk gives its error.
absl::StatusOr<WireChunk> ReadChunk(std::string_view data, Ending* ending);

// What an HTTP error says; `body` may be anything.
absl::Status ReadError(int http_code, std::string_view body);

absl::StatusOr<std::vector<ModelEntry>> ReadModels(std::string_view body);
// Of a waferd's /admin/load.
absl::StatusOr<std::string> ReadDigest(std::string_view body);
// The body of waferd's /admin/faults.
std::string WriteFault(const FaultSpec& fault);

}  // namespace waferline::sdk
