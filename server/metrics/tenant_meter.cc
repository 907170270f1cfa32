#include "server/metrics/tenant_meter.h"

#include "wafer_backend/base/units.h"

namespace waferline::metrics {

TenantMeter::Tenant& TenantMeter::Of(const std::string& name) {
  const auto found = tenants_.find(name);
  if (found != tenants_.end()) return found->second;
  const std::string label = tenants_.size() < kMaxMeteredTenants ? name : "other";
  Tenant& tenant = tenants_[label];
  if (tenant.requests.series != nullptr) return tenant;
  const Labels labels = {{"model_name", model_}, {"tenant", label.empty() ? "no-tenant" : label}};
  Labels prompt = labels, generated = labels;
  prompt["kind"] = "prompt";
  generated["kind"] = "generated";
  constexpr char kTokens[] = "waferline_tenant_tokens_total";
  constexpr char kTokensHelp[] = "Tokens of requests that ended, by tenant: prompt, generated.";
  tenant.requests.series = AddCounter(families_, "waferline_tenant_requests_total",
                                      "Requests that ended, by tenant.", labels);
  tenant.prompt_tokens.series = AddCounter(families_, kTokens, kTokensHelp, prompt);
  tenant.generated_tokens.series = AddCounter(families_, kTokens, kTokensHelp, generated);
  tenant.queue_seconds.series =
      AddCounter(families_, "waferline_tenant_emulated_queue_seconds_total",
                 "Emulated time that requests waited before prefill, by tenant.", labels);
  return tenant;
}

void TenantMeter::OnOutcome(const engine::OutcomeInfo& info) {
  const Outcome& outcome = *info.outcome;
  Tenant& tenant = Of(info.sequence.request->tenant);
  ++tenant.requests.pending;
  tenant.prompt_tokens.pending += outcome.prompt_tokens;
  tenant.generated_tokens.pending += outcome.generated_tokens;
  tenant.queue_seconds.pending += ToSeconds(outcome.times.queue);
}

void TenantMeter::Flush() {
  for (auto& [name, tenant] : tenants_) {
    for (Growth* growth : {&tenant.requests, &tenant.prompt_tokens, &tenant.generated_tokens,
                           &tenant.queue_seconds}) {
      if (growth->pending > 0) growth->series->Increment(growth->pending);
      growth->pending = 0;
    }
  }
}

}  // namespace waferline::metrics
