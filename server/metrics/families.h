// Names, help texts and label sets of the exported series, created once in a registry. Emulated
// and host time are separate families. Creating locks; a created series is used without.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <map>
#include <string>
#include <vector>

namespace waferline::metrics {

using Labels = std::map<std::string, std::string>;

prometheus::Counter* AddCounter(prometheus::Registry& registry, const std::string& name,
                                const std::string& help, const Labels& labels);

struct SeriesNames {
  std::string own, own_help;
  std::string vllm = "";  // "" for none
};

// Under this program's name.
prometheus::Histogram* AddHistogram(prometheus::Registry& registry, const SeriesNames& names,
                                    const Labels& labels, const std::vector<double>& bounds);

// Histograms of the same observations: under this program's name, and under vLLM's with the label
// model_name alone, which `labels` must have.
using Histograms = std::vector<prometheus::Histogram*>;
Histograms AddHistograms(prometheus::Registry& registry, const SeriesNames& names,
                         const Labels& labels, const std::vector<double>& bounds);

}  // namespace waferline::metrics
