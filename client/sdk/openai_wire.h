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
  // Tokens of the answer came: text, reasoning or a part of a tool call, and not only a role, an
  // end or usage. Reasoning is not in the piece's text.
  bool has_content = false;
  // Completion tokens so far, where the server sends running usage; else 0.
  uint32_t tokens_so_far = 0;
};
// Fills what the chunk says about the end into `ending`. Internal if it is neither a JSON object
// nor null, which says nothing. An {"error": ...} chunk gives its error; fields that are null are
// absent.
absl::StatusOr<WireChunk> ReadChunk(std::string_view data, Ending* ending);

// What an HTTP error says; `body` may be anything.
absl::Status ReadError(int http_code, std::string_view body);

absl::StatusOr<std::vector<ModelEntry>> ReadModels(std::string_view body);
// Of a waferd's /admin/load.
absl::StatusOr<std::string> ReadDigest(std::string_view body);
// The body of waferd's /admin/faults.
std::string WriteFault(const FaultSpec& fault);

}  // namespace waferline::sdk
