// What a load run sends, and when. Pure: the same settings give the same plan.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "client/sdk/token_client.h"
#include "wafer_backend/base/units.h"

namespace waferline::load {

using Prompt = std::variant<std::string, std::vector<TokenId>, std::vector<sdk::ChatTurn>>;

struct ArrivalSettings {
  // Closed loop: this many at once, each followed by the next; with a rate: at most this many.
  std::optional<uint32_t> concurrency;
  // Open loop: Poisson arrivals, this many a second on average.
  std::optional<double> rate_per_second;
};

// Clients that are not ideal: shares of all requests, drawn from the run's seed.
struct ClientManners {
  double cancel_share = 0;    // whose client disconnects after some of the tokens
  double slow_share = 0;      // whose client reads slowly, with pauses (HTTP only):
  Nanoseconds read_pause{0};  // after each read of at most sdk::kSlowReadBytes
};
// Of one request.
struct RequestManner {
  std::optional<uint32_t> cancel_after;  // tokens, from 1 to max_tokens
  Nanoseconds read_pause{0};
};
struct MannerDraw {
  uint64_t seed = 0;
  uint32_t index = 0;
  uint32_t max_tokens = 1;
};
RequestManner MannerOf(const ClientManners& manners, const MannerDraw& draw);

// Instants of `count` Poisson arrivals from 0 on; exponential gaps drawn from `seed`.
std::vector<Nanoseconds> PoissonInstants(uint32_t count, double rate_per_second, uint64_t seed);

// Prompt `index` of a run: about `words` words of a small English vocabulary. Different indices
// differ from their first words on, so that no prefix is shared.
std::string SyntheticPrompt(uint64_t seed, uint32_t index, uint32_t words);

// One prompt a line: {"prompt": "..."}, {"prompt": [ids]}, {"messages": [{role, content}]} or, as
// ShareGPT has it, {"conversations": [{from, value}]} as JSON, or plain text. A byte-order mark is
// skipped. InvalidArgument names the line that cannot be read; empty lines do not
// count. A text without any prompt is an error.
absl::StatusOr<std::vector<Prompt>> ReadPrompts(std::string_view text);

}  // namespace waferline::load
