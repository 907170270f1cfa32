// What the tenants of one model have used: counters by model and tenant, of requests that ended.
// Owner: LaneMeter. Thread: the engine's. Bound: kMaxMeteredTenants tenants; later ones are one,
// "other". Cost: a search by name a request.
#pragma once

#include <prometheus/registry.h>

#include <map>
#include <string>

#include "scheduler/engine/observer.h"
#include "server/metrics/families.h"

namespace waferline::metrics {

inline constexpr size_t kMaxMeteredTenants = 100;

class TenantMeter {
 public:
  // `families` must outlive this.
  TenantMeter(Families& families, std::string model)
      : families_(families), model_(std::move(model)) {}

  // The tenant of a server without keys is "no-tenant".
  void OnOutcome(const engine::OutcomeInfo& info);
  // Moves what has grown to the series.
  void Flush();

 private:
  struct Growth {
    prometheus::Counter* series = nullptr;
    double pending = 0;
  };
  struct Tenant {
    Growth requests, prompt_tokens, generated_tokens, queue_seconds;
  };
  Tenant& Of(const std::string& name);

  Families& families_;
  const std::string model_;
  std::map<std::string, Tenant> tenants_;
};

}  // namespace waferline::metrics
