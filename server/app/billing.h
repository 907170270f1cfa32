// The usage database of a server: its store, its meter, its tenants and keys; or none of them.
//
// Owner: the front ends. Thread: any. End: Settle after the engines have stopped, Stop after the
// last answers were sent and before the front ends' own objects go.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/accounts/accounts.h"
#include "server/accounts/books.h"
#include "server/app/cloud.h"
#include "server/app/remark_log.h"
#include "server/app/response_archive.h"
#include "server/batches/batch_book.h"
#include "server/billing/price_book.h"
#include "server/config/server_config.h"
#include "server/metering/store_meter.h"
#include "server/metrics/exposition.h"
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
    const Cloud* cloud;  // its models
  };
  // Opens the store, settles what dead servers left open, and loads tenants, keys and quotas.
  // InvalidArgument: the configuration names no store, or its price book is wrong.
  // FailedPrecondition: the price book would re-price recorded usage. The store's errors.
  static absl::StatusOr<std::unique_ptr<Billing>> Start(const config::BillingConfig& config,
                                                        Access access);

  metering::UsageMeter& meter() { return stored_ == nullptr ? nothing_ : *stored_; }

  accounts::Accounts& accounts() { return *accounts_; }
  // Not set without a database.
  std::optional<metrics::BillingFigures> Figures() const;

  // Null where nothing is recorded.
  openai::ResponseArchive* archive() { return archive_.get(); }
  batches::BatchBook* batches() { return batches_.get(); }
  metering::StoreMeter* records() { return stored_.get(); }
  accounts::Books& books() { return *books_; }

  // Unavailable and why: usage cannot be recorded now.
  absl::Status Check() const;

  // Waits for records under way, within store_patience; after it, only answers that were recorded
  // are still sent.
  void Settle();
  // Nothing is recorded or called after it.
  void Stop();

 private:
  absl::Status Open(const config::BillingConfig& config, const Access& access);
  absl::Status AdoptPrices();
  const billing::PriceBook* prices() const { return prices_ ? &*prices_ : nullptr; }
  void PrintState() const;

  std::optional<billing::PriceBook> prices_;
  metering::UsageMeter nothing_;
  RemarkLog log_{"usage database"};
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<metering::StoreMeter> stored_;
  std::unique_ptr<DatabaseOfResponses> archive_;
  std::unique_ptr<batches::BatchBook> batches_;
  std::unique_ptr<accounts::Accounts> accounts_;
  std::unique_ptr<accounts::Books> books_;
  bool stopped_ = false;
};

}  // namespace waferline::app
