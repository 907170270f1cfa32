#include "server/metrics/families.h"

namespace waferline::metrics {

prometheus::Counter* AddCounter(prometheus::Registry& registry, const std::string& name,
                                const std::string& help, const Labels& labels) {
  return &prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add(labels);
}

prometheus::Histogram* AddHistogram(prometheus::Registry& registry, const SeriesNames& names,
                                    const Labels& labels, const std::vector<double>& bounds) {
  return &prometheus::BuildHistogram()
              .Name(names.own)
              .Help(names.own_help)
              .Register(registry)
              .Add(labels, bounds);
}

Histograms AddHistograms(prometheus::Registry& registry, const SeriesNames& names,
                         const Labels& labels, const std::vector<double>& bounds) {
  Histograms histograms = {AddHistogram(registry, names, labels, bounds)};
  if (!names.vllm.empty()) {
    histograms.push_back(
        AddHistogram(registry, {names.vllm, "Same as " + names.own + "; times are emulated."},
                     {{"model_name", labels.at("model_name")}}, bounds));
  }
  return histograms;
}

}  // namespace waferline::metrics
