#include "server/metrics/families.h"

#include <iterator>
#include <set>

#include "server/metrics/text_format.h"

namespace waferline::metrics {
namespace {

template <typename ByName, typename Builder>
auto& FindOrBuild(ByName& by_name, const Builder& build, const std::string& name) {
  const auto [found, fresh] = by_name.try_emplace(name, nullptr);
  if (fresh) found->second = &build();
  return *found->second;
}

template <typename ByName>
void Collect(const ByName& by_name, const std::string& name,
             std::vector<prometheus::MetricFamily>* out) {
  const auto found = by_name.find(name);
  if (found == by_name.end()) return;
  std::vector<prometheus::MetricFamily> collected = found->second->Collect();
  std::move(collected.begin(), collected.end(), std::back_inserter(*out));
}

}  // namespace

prometheus::Family<prometheus::Counter>& Families::Counters(const std::string& name,
                                                            const std::string& help) {
  const MutexLock lock(&mutex_);
  const auto build = [&]() -> auto& {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry_);
  };
  return FindOrBuild(counters_, build, name);
}

prometheus::Family<prometheus::Gauge>& Families::Gauges(const std::string& name,
                                                        const std::string& help) {
  const MutexLock lock(&mutex_);
  const auto build = [&]() -> auto& {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry_);
  };
  return FindOrBuild(gauges_, build, name);
}

prometheus::Family<prometheus::Histogram>& Families::Histograms(const std::string& name,
                                                                const std::string& help) {
  const MutexLock lock(&mutex_);
  const auto build = [&]() -> auto& {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry_);
  };
  return FindOrBuild(histograms_, build, name);
}

std::string Families::Text(const std::vector<std::string>& names) const {
  if (names.empty()) return TextOf(registry_.Collect());
  std::vector<prometheus::MetricFamily> collected;
  {
    const MutexLock lock(&mutex_);
    for (const std::string& name : std::set<std::string>(names.begin(), names.end())) {
      Collect(counters_, name, &collected);
      Collect(gauges_, name, &collected);
      Collect(histograms_, name, &collected);
    }
  }
  return TextOf(collected);
}

prometheus::Counter* AddCounter(Families& families, const std::string& name,
                                const std::string& help, const Labels& labels) {
  return &families.Counters(name, help).Add(labels);
}

prometheus::Histogram* AddHistogram(Families& families, const SeriesNames& names,
                                    const Labels& labels, const std::vector<double>& bounds) {
  return &families.Histograms(names.own, names.own_help).Add(labels, bounds);
}

Histograms AddHistograms(Families& families, const SeriesNames& names, const Labels& labels,
                         const std::vector<double>& bounds) {
  Histograms histograms = {AddHistogram(families, names, labels, bounds)};
  if (!names.vllm.empty()) {
    histograms.push_back(
        AddHistogram(families, {names.vllm, "Same as " + names.own + "; times are emulated."},
                     {{"model_name", labels.at("model_name")}}, bounds));
  }
  return histograms;
}

}  // namespace waferline::metrics
