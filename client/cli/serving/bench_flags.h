// What bench run and bench sweep share: the requests they send, and how one run is sent.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "client/load/load_run.h"
#include "wafer_backend/base/command_line/arguments.h"
#include "wafer_backend/base/latency_objectives.h"

namespace waferline::cli {

// The server's flags, and those of the requests.
std::vector<Flag> BenchFlags();

// What these flags say; the arrivals and the model's name are the command's. Each `round` of a
// sweep has made-up prompts of its own, so that no round finds those of another in a server's
// cache.
absl::StatusOr<load::LoadSettings> BenchSettings(const Arguments& arguments, uint64_t round = 0);
// Of --goodput.
absl::StatusOr<LatencyObjectives> BenchObjectives(const Arguments& arguments);

// Sends it all, with progress on stderr. An interrupt ends it early.
load::LoadResult RunBenchLoad(sdk::TokenClient& client, const load::LoadSettings& settings);

}  // namespace waferline::cli
