// What the clients of simulated clouds ask for: a fixed set of requests, so that the text of each
// is known from one run without faults. Values.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "scheduler/request/valid_request.h"
#include "wafer_backend/base/ids.h"
#include "wafer_backend/base/units.h"

namespace waferline::simulated {

inline constexpr size_t kAsks = 12;

// Without a sink. The same index gives the same request: prompt, sampling, seed and length.
ValidRequest AskNumber(size_t index);

// The text of each, by index; empty: not known yet.
using Texts = std::vector<std::vector<TokenId>>;
// When each token of it came, since its arrival on the emulated machine, if it is served alone.
using Instants = std::vector<std::vector<Nanoseconds>>;

}  // namespace waferline::simulated
