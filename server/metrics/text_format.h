// The text of families for Prometheus (version 0.0.4), as the client library writes it, but each
// number with the fewest digits that give the same double: 0.3, not 0.3000000000000001. A pure
// function. Cost: linear in the text.
#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <vector>

namespace waferline::metrics {

// Counters, gauges and histograms.
std::string TextOf(const std::vector<prometheus::MetricFamily>& families);

}  // namespace waferline::metrics
