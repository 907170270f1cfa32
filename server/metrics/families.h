// The exported series by family: names, help texts and label sets, created once. Emulated and host
// time are separate families.
//
// Owner: Exposition; outlives what was created. Thread: any; creating locks, a created series is
// used without.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "wafer_backend/base/mutex.h"

namespace waferline::metrics {

using Labels = std::map<std::string, std::string>;

class Families {
 public:
  // The family of this name; the help text is that of the first call.
  prometheus::Family<prometheus::Counter>& Counters(const std::string& name,
                                                    const std::string& help);
  prometheus::Family<prometheus::Gauge>& Gauges(const std::string& name, const std::string& help);
  prometheus::Family<prometheus::Histogram>& Histograms(const std::string& name,
                                                        const std::string& help);

  // Prometheus text (version 0.0.4) of the families of these names, each once, by name; of all if
  // there are no names. Cost: that of the families which are given.
  std::string Text(const std::vector<std::string>& names) const;

 private:
  template <typename Metric>
  using ByName = std::map<std::string, prometheus::Family<Metric>*, std::less<>>;

  prometheus::Registry registry_;
  mutable Mutex mutex_;
  ByName<prometheus::Counter> counters_ ABSL_GUARDED_BY(mutex_);
  ByName<prometheus::Gauge> gauges_ ABSL_GUARDED_BY(mutex_);
  ByName<prometheus::Histogram> histograms_ ABSL_GUARDED_BY(mutex_);
};

prometheus::Counter* AddCounter(Families& families, const std::string& name,
                                const std::string& help, const Labels& labels);

struct SeriesNames {
  std::string own, own_help;
  std::string vllm = "";  // "" for none
};

// Under this program's name.
prometheus::Histogram* AddHistogram(Families& families, const SeriesNames& names,
                                    const Labels& labels, const std::vector<double>& bounds);

// Histograms of the same observations: under this program's name, and under vLLM's with the label
// model_name alone, which `labels` must have.
using Histograms = std::vector<prometheus::Histogram*>;
Histograms AddHistograms(Families& families, const SeriesNames& names, const Labels& labels,
                         const std::vector<double>& bounds);

}  // namespace waferline::metrics
