#include "client/load/request_record.h"

namespace waferline::load {
namespace {

uint64_t Counted(const RequestRecord& record) {
  uint64_t tokens = 0;
  for (const Arrival& arrival : record.arrivals) tokens += arrival.tokens;
  return tokens;
}

}  // namespace

uint64_t TokensOf(const RequestRecord& record) {
  if (record.completion_tokens) return *record.completion_tokens;
  const uint64_t counted = Counted(record);
  return counted > 0 ? counted : record.arrivals.size();
}

bool KnowsTokens(const RequestRecord& record) {
  return record.completion_tokens.has_value() || Counted(record) > 0;
}

bool CountsTokens(const RequestRecord& record) {
  const uint64_t counted = Counted(record);
  return counted > 0 && counted == TokensOf(record);
}

Nanoseconds TimeToFirstToken(const RequestRecord& record) {
  return record.arrivals.front().at - record.sent;
}

std::optional<Nanoseconds> TimePerOutputToken(const RequestRecord& record) {
  const auto tokens = static_cast<int64_t>(TokensOf(record));
  if (tokens < 2) return std::nullopt;
  return (record.arrivals.back().at - record.arrivals.front().at) / (tokens - 1);
}

std::vector<Nanoseconds> TokenGaps(const RequestRecord& record) {
  const bool counted = CountsTokens(record);
  std::vector<Nanoseconds> gaps;
  for (size_t i = 0; i < record.arrivals.size(); ++i) {
    const Arrival& arrival = record.arrivals[i];
    const int64_t tokens = counted ? arrival.tokens : 1;
    if (tokens == 0) continue;
    if (i == 0) {
      gaps.insert(gaps.end(), static_cast<size_t>(tokens - 1), Nanoseconds(0));
    } else {
      const Nanoseconds gap = (arrival.at - record.arrivals[i - 1].at) / tokens;
      gaps.insert(gaps.end(), static_cast<size_t>(tokens), gap);
    }
  }
  return gaps;
}

Nanoseconds EndToEnd(const RequestRecord& record) {
  return record.arrivals.back().at - record.sent;
}

}  // namespace waferline::load
