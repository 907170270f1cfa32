// Reads traces from text.
//   mooncake  JSON lines: timestamp (ms), input_length, output_length, hash_ids (one a block of
//             the prompt); other fields are ignored, they are not ours. Where the first timestamp
//             is a time since 1970 in seconds, micro- or nanoseconds, all are in that unit
//   azure     CSV with a header line: TIMESTAMP (a date and time, or a time since 1970 in any of
//             these units), ContextTokens, GeneratedTokens
//   jsonl     our own JSON lines: arrival_s, prompt_tokens, output_tokens, and optionally model,
//             tenant, priority, service_tier, deadline_ms, blocks; any other field is an error
// Arrivals are taken relative to the first. A byte-order mark before the first line is skipped. Any
// thread. Cost: about 10 ns a byte.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "scheduler/simulator/trace.h"

namespace waferline::simulator {

enum class TraceFormat : uint8_t { kMooncake, kAzure, kJsonl };

// "mooncake", "azure" or "jsonl"; InvalidArgument lists them.
absl::StatusOr<TraceFormat> ParseTraceFormat(std::string_view name);

struct ReadOptions {
  std::optional<TraceFormat> format;  // none: seen from the first line
  uint32_t block_tokens = 512;        // tokens that one id of hash_ids or blocks stands for
  bool skip_bad = false;              // leaves bad lines out, and counts them
};

struct ReadTrace {
  Trace trace;
  uint64_t skipped = 0;
  std::vector<std::string> complaints;  // "line 7: output_length is missing", the first few
};

// From the first line that says something; InvalidArgument if it is in none of these formats.
absl::StatusOr<TraceFormat> GuessFormat(std::string_view text);

// InvalidArgument: lists the first bad lines with what is wrong in each (unless they are skipped),
// or says that nothing is left.
absl::StatusOr<ReadTrace> ParseTrace(std::string_view text, const ReadOptions& options);
// The same of a file; errors begin with its path.
absl::StatusOr<ReadTrace> LoadTrace(const std::string& path, const ReadOptions& options);

}  // namespace waferline::simulator
