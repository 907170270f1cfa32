#include "server/app/billing.h"

#include <unistd.h>

#include <cstdio>
#include <string>

#include "server/billing/price_book_reader.h"
#include "server/billing/rating.h"
#include "server/runtime/host.h"
#include "wafer_backend/base/status.h"

namespace waferline::app {
namespace {

std::string HostName() {
  char name[256] = "";
  if (gethostname(name, sizeof(name) - 1) != 0) return "";
  return name;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Billing>> Billing::Start(const config::BillingConfig& config,
                                                        Access access) {
  auto billing = std::make_unique<Billing>();
  if (config.on) WL_RETURN_IF_ERROR(billing->Open(config));
  billing->accounts_ = std::make_unique<accounts::Accounts>(
      accounts::Accounts::Options{.store = billing->store_.get(),
                                  .writer = config.on ? &billing->stored_->writer() : nullptr,
                                  .keys = access.keys,
                                  .budgets = access.budgets,
                                  .file_keys = std::move(access.file_keys),
                                  .file_limits = std::move(access.file_limits),
                                  .has_prices = billing->prices_.has_value(),
                                  .unix_us = runtime::UnixMicroseconds,
                                  .random_bytes = runtime::RandomBytes});
  WL_RETURN_IF_ERROR(billing->accounts_->Start());
  if (config.on) billing->PrintState();
  return billing;
}

absl::Status Billing::Open(const config::BillingConfig& config) {
  if (config.store.empty()) {
    return absl::InvalidArgumentError(
        "billing.store: is missing: give sqlite:PATH or postgresql://HOST/DATABASE, or start "
        "waferd with --state-dir DIR");
  }
  if (!config.prices.empty()) {
    WL_ASSIGN_OR_RETURN(prices_, billing::LoadPriceBook(config.prices));
  }
  const auto durability =
      config.survives_power_loss ? store::Durability::kPower : store::Durability::kProcess;
  WL_ASSIGN_OR_RETURN(store_, store::OpenStore(config.store, durability));
  metering::StoreMeter::Options options{.host = HostName(),
                                        .patience = config.store_patience,
                                        .now = runtime::MonotonicNow,
                                        .unix_us = runtime::UnixMicroseconds};
  if (prices_) {
    options.price = [this](const auto& subject, const auto& counts, int64_t admitted_us) {
      return PriceOf(subject, counts, admitted_us);
    };
  }
  WL_ASSIGN_OR_RETURN(stored_, metering::StoreMeter::Start(store_.get(), std::move(options)));
  return absl::OkStatus();
}

// A model without a price costs nothing.
Money Billing::PriceOf(const metering::UsageSubject& subject, const metering::UsageCounts& counts,
                       int64_t admitted_us) const {
  billing::UsageRecord record{.model = subject.model,
                              .admitted_us = admitted_us,
                              .prompt_tokens = counts.prompt,
                              .cached_tokens = counts.cached,
                              .generated_tokens = counts.generated};
  const auto tier = billing::TierNamed(subject.tier);
  if (tier.ok()) record.served = *tier;
  const auto charge = billing::Rate(*prices_, record);
  return charge.ok() ? charge->total : Money();
}

void Billing::PrintState() const {
  printf("  usage  %s", store_->Describe().c_str());
  if (const int64_t left = stored_->interrupted(); left > 0) {
    printf("  (%lld requests of servers that died: interrupted, not charged)",
           static_cast<long long>(left));
  }
  printf("\n");
}

void Billing::Stop() {
  if (stored_ != nullptr && !stored_->Stop()) {
    fprintf(stderr,
            "waferd: warning: %s did not confirm the last usage records; the next start "
            "counts them as interrupted\n",
            store_->Describe().c_str());
  }
  accounts_->Stop();
}

}  // namespace waferline::app
