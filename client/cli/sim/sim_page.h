// A simulated run as a page of HTML: what was offered and completed, latencies in numbers and as
// distributions, devices, energy and cost, and the receipt. Pure.
#pragma once

#include <string>

#include "scheduler/simulator/offline_run.h"

namespace waferline::cli {

std::string SimPage(const simulator::OfflineResult& run);

}  // namespace waferline::cli
