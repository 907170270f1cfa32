#include "server/app/billing.h"

#include <unistd.h>

#include <cstdio>
#include <string>

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

absl::StatusOr<std::unique_ptr<Billing>> Billing::Start(const config::BillingConfig& config) {
  auto billing = std::make_unique<Billing>();
  if (!config.on) return billing;
  if (config.store.empty()) {
    return absl::InvalidArgumentError(
        "billing.store: is missing: give sqlite:PATH or postgresql://HOST/DATABASE, or start "
        "waferd with --state-dir DIR");
  }
  const auto durability =
      config.survives_power_loss ? store::Durability::kPower : store::Durability::kProcess;
  WL_ASSIGN_OR_RETURN(billing->store_, store::OpenStore(config.store, durability));
  metering::StoreMeter::Options options{.host = HostName(),
                                        .patience = config.store_patience,
                                        .now = runtime::MonotonicNow,
                                        .unix_us = runtime::UnixMicroseconds};
  WL_ASSIGN_OR_RETURN(billing->stored_,
                      metering::StoreMeter::Start(billing->store_.get(), std::move(options)));
  printf("  usage  %s", billing->store_->Describe().c_str());
  if (const int64_t left = billing->stored_->interrupted(); left > 0) {
    printf("  (%lld requests of servers that died: interrupted, not charged)",
           static_cast<long long>(left));
  }
  printf("\n");
  return billing;
}

void Billing::Stop() {
  if (stored_ == nullptr || stored_->Stop()) return;
  fprintf(stderr,
          "waferd: warning: %s did not confirm the last usage records; the next start "
          "counts them as interrupted\n",
          store_->Describe().c_str());
}

}  // namespace waferline::app
