// The usage database of a server: its store, its meter, its tenants and keys; or none of them.
//
// Owner: the front ends. Thread: any. End: Stop, after the engines have stopped and before the
// front ends' own objects go.
#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/accounts/accounts.h"
#include "server/billing/price_book.h"
#include "server/config/server_config.h"
#include "server/metering/store_meter.h"
#include "server/store/store.h"

namespace waferline::app {

class Billing {
 public:
  // What tenants and keys change: the front ends' keys and budgets, and what the configuration says
  // of them.
  struct Access {
    tenancy::ApiKeys* keys;
    tenancy::Budgets* budgets;
    std::vector<tenancy::ApiKey> file_keys;
    tenancy::LimitsByTenant file_limits;
  };
  // Opens the store, settles what dead servers left open, and loads tenants, keys and quotas.
  // InvalidArgument: the configuration names no store, or its price book is wrong. The store's
  // errors.
  static absl::StatusOr<std::unique_ptr<Billing>> Start(const config::BillingConfig& config,
                                                        Access access);

  metering::UsageMeter& meter() { return stored_ == nullptr ? nothing_ : *stored_; }

  accounts::Accounts& accounts() { return *accounts_; }

  // Waits for records under way, within store_patience. Nothing is recorded or called after it.
  void Stop();

 private:
  absl::Status Open(const config::BillingConfig& config);
  Money PriceOf(const metering::UsageSubject& subject, const metering::UsageCounts& counts,
                int64_t admitted_us) const;
  void PrintState() const;

  std::optional<billing::PriceBook> prices_;
  metering::UsageMeter nothing_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<metering::StoreMeter> stored_;
  std::unique_ptr<accounts::Accounts> accounts_;
};

}  // namespace waferline::app
