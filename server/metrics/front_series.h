// FrontMetrics as Prometheus series. Owner: Exposition. Thread: any. Cost: a lookup under one lock;
// a request makes a few calls, and one for each event of its stream.
#pragma once

#include <prometheus/registry.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/numeric/int128.h"
#include "server/metrics/families.h"
#include "server/metrics/front_metrics.h"
#include "wafer_backend/base/mutex.h"

namespace waferline::metrics {

class FrontSeries final : public FrontMetrics {
 public:
  // Creates the series of `models` at once, so that they are in the first scrape.
  FrontSeries(Families& families, const std::vector<std::string>& models);

  void OnRequest(std::string_view route, int code, Nanoseconds lasted) override;
  void OnHostFirstToken(std::string_view model, Nanoseconds lasted) override;
  void OnHostEnd(std::string_view model, Nanoseconds lasted) override;
  void OnStreamEvent(std::string_view model, uint32_t tokens) override;
  void OnTurnedAway(std::string_view why) override;
  void OnHandshakeRefused(std::string_view door, std::string_view reason) override;
  void OnTenantUse(std::string_view tenant, const TenantUse& use) override;
  void OnTenantRefused(std::string_view tenant, std::string_view why) override;

  // Tenants with series of their own.
  static constexpr size_t kMaxTenants = 100;

 private:
  struct ModelSeries {
    prometheus::Histogram* first_token;
    prometheus::Histogram* request;
    prometheus::Counter* events;
    prometheus::Counter* tokens;
  };
  // The label of a tenant's series.
  std::string LabelOf(std::string_view tenant) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  const ModelSeries& SeriesOf(std::string_view model) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Families& families_;
  Mutex mutex_;
  std::map<std::string, ModelSeries, std::less<>> models_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string, std::less<>> tenants_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, absl::int128> cost_pico_ ABSL_GUARDED_BY(mutex_);  // by label
};

}  // namespace waferline::metrics
