#include "server/metrics/front_series.h"

#include <utility>

#include "server/metrics/buckets.h"

namespace waferline::metrics {

namespace {

prometheus::Counter* TurnedAway(Families& families, std::string_view why) {
  return AddCounter(families, "waferline_turned_away_total",
                    "Requests refused before the engine saw them: key, budget.",
                    {{"why", std::string(why)}});
}

prometheus::Counter* TenantTokens(Families& families, const std::string& tenant, const char* kind) {
  return AddCounter(families, "waferline_billing_tenant_tokens_total",
                    "Tokens of posted usage records, by tenant: prompt (without cached), cached, "
                    "generated.",
                    {{"tenant", tenant}, {"kind", kind}});
}

prometheus::Counter* TenantCost(Families& families, const std::string& tenant) {
  return AddCounter(families, "waferline_billing_tenant_cost_usd_total",
                    "What posted usage records cost, by tenant; the ledger is exact.",
                    {{"tenant", tenant}});
}

prometheus::Counter* TenantRefused(Families& families, const std::string& tenant,
                                   std::string_view why) {
  return AddCounter(families, "waferline_billing_tenant_refused_total",
                    "Requests refused, by tenant: budget, spend (a hard cap or a prepaid balance), "
                    "usage (the database).",
                    {{"tenant", tenant}, {"why", std::string(why)}});
}

// To this value and not to what a sum of rounded ones comes to, which has more digits. A counter
// can only be added to; from half of the value on, the difference and its sum are exact (Sterbenz).
void RaiseTo(double value, prometheus::Counter* counter) {
  if (counter->Value() < value / 2) counter->Increment(value / 2);
  counter->Increment(value - counter->Value());
}

}  // namespace

FrontSeries::FrontSeries(Families& families, const std::vector<std::string>& models)
    : families_(families) {
  MutexLock lock(&mutex_);
  for (const std::string& model : models) SeriesOf(model);
  for (const char* why : {"key", "budget"}) TurnedAway(families_, why);
  TenantCost(families_, "other");
  for (const char* why : {"budget", "spend", "usage"}) TenantRefused(families_, "other", why);
  TenantTokens(families_, "other", "generated");
}

void FrontSeries::OnRequest(std::string_view route, int code, Nanoseconds lasted) {
  const std::string path(route);
  MutexLock lock(&mutex_);  // Add returns the existing series
  AddCounter(families_, "waferline_http_requests_total", "HTTP replies, by route and code.",
             {{"route", path}, {"code", std::to_string(code)}})
      ->Increment();
  AddHistogram(families_,
               {"waferline_host_http_request_seconds",
                "Wall time from the last byte of an HTTP request to the end of its reply."},
               {{"route", path}}, kRequestBounds)
      ->Observe(ToSeconds(lasted));
}

const FrontSeries::ModelSeries& FrontSeries::SeriesOf(std::string_view model) {
  if (const auto found = models_.find(model); found != models_.end()) return found->second;
  const Labels labels = {{"model_name", std::string(model)}};
  const ModelSeries series = {
      AddHistogram(families_,
                   {"waferline_host_time_to_first_token_seconds",
                    "Wall time from the last byte of a request to its first text (streams)."},
                   labels, kFirstTokenBounds),
      AddHistogram(families_,
                   {"waferline_host_request_seconds",
                    "Wall time from the last byte of a request to the end of its answer."},
                   labels, kRequestBounds),
      AddCounter(families_, "waferline_stream_events_total", "Events of streams with text.",
                 labels),
      AddCounter(families_, "waferline_stream_tokens_total",
                 "Generated tokens behind the events of streams.", labels)};
  return models_.emplace(std::string(model), series).first->second;
}

void FrontSeries::OnHostFirstToken(std::string_view model, Nanoseconds lasted) {
  MutexLock lock(&mutex_);
  SeriesOf(model).first_token->Observe(ToSeconds(lasted));
}

void FrontSeries::OnHostEnd(std::string_view model, Nanoseconds lasted) {
  MutexLock lock(&mutex_);
  SeriesOf(model).request->Observe(ToSeconds(lasted));
}

void FrontSeries::OnStreamEvent(std::string_view model, uint32_t tokens) {
  MutexLock lock(&mutex_);
  const ModelSeries& series = SeriesOf(model);
  series.events->Increment();
  series.tokens->Increment(tokens);
}

void FrontSeries::OnHandshakeRefused(std::string_view door, std::string_view reason) {
  MutexLock lock(&mutex_);
  AddCounter(families_, "waferline_tls_refused_total",
             "Connections refused for their TLS handshake or certificate, by door and reason.",
             {{"door", std::string(door)}, {"reason", std::string(reason)}})
      ->Increment();
}

void FrontSeries::OnTurnedAway(std::string_view why) {
  MutexLock lock(&mutex_);
  TurnedAway(families_, why)->Increment();
}

std::string FrontSeries::LabelOf(std::string_view tenant) {
  if (tenants_.find(tenant) != tenants_.end()) return std::string(tenant);
  if (tenants_.size() >= kMaxTenants) return "other";
  return *tenants_.emplace(tenant).first;
}

void FrontSeries::OnTenantUse(std::string_view tenant, const TenantUse& use) {
  MutexLock lock(&mutex_);
  const std::string label = LabelOf(tenant);
  const int64_t fresh = use.prompt_tokens - use.cached_tokens;
  for (const auto& [kind, count] : {std::pair{"prompt", fresh},
                                    {"cached", use.cached_tokens},
                                    {"generated", use.generated_tokens}}) {
    if (count > 0) TenantTokens(families_, label, kind)->Increment(static_cast<double>(count));
  }
  if (use.cost_pico == 0) return;
  absl::int128& pico = cost_pico_[label];
  pico += use.cost_pico;
  RaiseTo(static_cast<double>(pico) / 1e12, TenantCost(families_, label));
}

void FrontSeries::OnTenantRefused(std::string_view tenant, std::string_view why) {
  MutexLock lock(&mutex_);
  TenantRefused(families_, LabelOf(tenant), why)->Increment();
}

}  // namespace waferline::metrics
