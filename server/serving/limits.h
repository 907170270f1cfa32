// Bounds of what one request may ask for, the same over HTTP and gRPC. Each has a test that reaches
// it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace waferline::serving {

inline constexpr int64_t kMaxChoices = 128;     // prompts x n; each is one sequence
inline constexpr int64_t kMaxEmbeddings = 256;  // texts of one request; likewise
inline constexpr size_t kMaxMessages = 4096;
inline constexpr size_t kMaxContentParts = 256;
// Alternatives (top_logprobs) in an answer that is not streamed, all choices together: it is
// gathered in memory, some 200 bytes each.
inline constexpr size_t kMaxGatheredAlternatives = 500'000;
inline constexpr size_t kMaxStops = 16;
inline constexpr size_t kMaxStopBytes = 1024;
inline constexpr size_t kMaxStopTokenIds = 256;
inline constexpr size_t kMaxLogitBias = 1024;
inline constexpr int64_t kMaxTopLogprobs = 20;
inline constexpr size_t kMaxNameBytes = 512;  // model, user, cache_salt ...
inline constexpr size_t kMaxRequestIdBytes = 128;
// 31 days; durations and instants beyond are mistakes.
inline constexpr int64_t kMaxMilliseconds = 31LL * 24 * 3600 * 1000;
inline constexpr int64_t kMaxDurationNs = kMaxMilliseconds * 1'000'000;
// No token of a real vocabulary stands for more bytes.
inline constexpr int64_t kMaxTokenBytes = 256;

}  // namespace waferline::serving
