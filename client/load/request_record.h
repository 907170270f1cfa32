// What a load run saw of one request. A plain value; instants count from the run's start, by the
// client's monotonic clock.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "wafer_backend/base/units.h"

namespace waferline::load {

struct Arrival {
  Nanoseconds at;
  uint32_t tokens = 0;  // in this piece; 0: the server does not say
};

struct RequestRecord {
  uint32_t index = 0;
  Nanoseconds scheduled;  // when it should have been sent
  Nanoseconds sent;
  Nanoseconds ended;
  std::vector<Arrival> arrivals;  // of pieces with content
  absl::Status status;
  std::string finish_reason;
  std::optional<uint32_t> prompt_tokens;  // from the server's usage
  std::optional<uint32_t> completion_tokens;
  std::optional<Nanoseconds> emulated_first;  // of the first token, since arrival at the server
  std::optional<Nanoseconds> emulated_last;
  // Of every token whose emulated instant the server reports: that instant, since arrival, and when
  // its piece came, since the request was sent.
  std::vector<std::pair<Nanoseconds, Nanoseconds>> instants;

  bool cancelled = false;  // the client disconnected on purpose: neither completed nor failed
  bool cut = false;        // the client ended it with its run: neither completed nor failed

  bool ok() const { return status.ok() && !arrivals.empty(); }
};

// Generated tokens: usage if the server says, else what the pieces say, else one a piece.
uint64_t TokensOf(const RequestRecord& record);
// False: TokensOf is the number of pieces, as the server says nothing about tokens.
bool KnowsTokens(const RequestRecord& record);

// Do the pieces' token counts add up to the usage? If not, gaps are per piece.
bool CountsTokens(const RequestRecord& record);

// Send to first content.
Nanoseconds TimeToFirstToken(const RequestRecord& record);
// (end - first token) / (tokens - 1); nothing for a single token. The last token's arrival, not the
// end of the stream, is the end.
std::optional<Nanoseconds> TimePerOutputToken(const RequestRecord& record);
// Gaps between tokens: a piece of k tokens after a gap g gives k gaps of g/k; the first piece's
// other tokens give gaps of 0. With counted tokens there are tokens-1 of them and their sum is last
// minus first arrival (up to rounding).
std::vector<Nanoseconds> TokenGaps(const RequestRecord& record);
// Send to the last content.
Nanoseconds EndToEnd(const RequestRecord& record);
inline double Ms(Nanoseconds duration) { return duration.as_double() / 1e6; }  // 0.036, as it reads

}  // namespace waferline::load
