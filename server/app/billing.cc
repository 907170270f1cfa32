#include "server/app/billing.h"

#include <unistd.h>

#include <cstdio>
#include <functional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/accounts/price_books.h"
#include "server/billing/price_book_reader.h"
#include "server/runtime/host.h"
#include "wafer_backend/base/status.h"

namespace waferline::app {
namespace {

std::string HostName() {
  char name[256] = "";
  if (gethostname(name, sizeof(name) - 1) != 0) return "";
  return name;
}

std::vector<std::string> NamesOf(const text::ModelCatalog& models) {
  std::vector<std::string> names;
  for (const auto& model : models.all()) names.push_back(model->name);
  return names;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Billing>> Billing::Start(const config::BillingConfig& config,
                                                        Access access) {
  auto billing = std::make_unique<Billing>();
  if (config.on) WL_RETURN_IF_ERROR(billing->Open(config, access));
  billing->accounts_ = std::make_unique<accounts::Accounts>(
      accounts::Accounts::Options{.store = billing->store_.get(),
                                  .writer = config.on ? &billing->stored_->writer() : nullptr,
                                  .keys = access.keys,
                                  .budgets = access.budgets,
                                  .models = NamesOf(access.cloud->catalog()),
                                  .file_keys = std::move(access.file_keys),
                                  .file_limits = std::move(access.file_limits),
                                  .prices = billing->prices(),
                                  .unix_us = runtime::UnixMicroseconds,
                                  .random_bytes = runtime::RandomBytes});
  WL_RETURN_IF_ERROR(billing->accounts_->Start());
  billing->books_ = std::make_unique<accounts::Books>(
      accounts::Books::Options{.accounts = billing->accounts_.get(),
                               .writer = config.on ? &billing->stored_->writer() : nullptr,
                               .prices = billing->prices(),
                               .unix_us = runtime::UnixMicroseconds,
                               .random_bytes = runtime::RandomBytes});
  if (config.on) billing->PrintState();
  return billing;
}

absl::Status Billing::Open(const config::BillingConfig& config, const Access& access) {
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
  auto store = store::OpenStore(config.store, durability);
  if (!store.ok()) {
    return {store.status().code(), absl::StrCat("billing.store: ", store.status().message())};
  }
  store_ = *std::move(store);
  metering::StoreMeter::Options options{
      .host = HostName(),
      .patience = config.store_patience,
      .now = runtime::MonotonicNow,
      .unix_us = runtime::UnixMicroseconds,
      .credit_unconfirmed = config.credit_unconfirmed,
      .system_ns_per_token = std::bind_front(&Cloud::WaferNsPerToken, access.cloud),
      .on_trouble =
          [this](const absl::Status& why) { log_.Print(store::DescribeTrouble(*store_, why)); },
      .on_notice =
          [this](const std::string& what) {
            log_.Print(absl::StrCat("warning: ", store_->Describe(), ": ", what));
          }};
  if (prices_) {
    WL_RETURN_IF_ERROR(AdoptPrices());
    options.prices = &*prices_;
    options.show_cost = config.show_cost;
    const int64_t first_us = prices_->versions.front().effective_us;
    if (config.emulated) {
      options.emulated_from_us = config.emulated_from_us == 0 ? first_us : config.emulated_from_us;
    }
  }
  auto stored = metering::StoreMeter::Start(store_.get(), std::move(options));
  if (!stored.ok()) {
    return {stored.status().code(), store::DescribeTrouble(*store_, stored.status())};
  }
  stored_ = *std::move(stored);
  archive_ = std::make_unique<DatabaseOfResponses>(store_.get(), &stored_->writer(),
                                                   runtime::UnixMicroseconds);
  batches_ = std::make_unique<batches::BatchBook>(store_.get(), &stored_->writer());
  return absl::OkStatus();
}

absl::Status Billing::AdoptPrices() {
  WL_ASSIGN_OR_RETURN(const std::unique_ptr<store::Connection> connection, store_->Connect());
  WL_RETURN_IF_ERROR(connection->Begin());
  absl::Status status =
      accounts::AdoptPriceBook(*connection, *prices_, runtime::UnixMicroseconds());
  if (status.ok()) status = connection->Commit();
  if (!status.ok()) connection->Rollback();
  return status;
}

std::optional<metrics::BillingFigures> Billing::Figures() const {
  if (stored_ == nullptr) return std::nullopt;
  const store::Writer::Figures writer = stored_->writer().figures();
  return metrics::BillingFigures{.records = writer.pieces,
                                 .commits = writer.commits,
                                 .retries = writer.retries,
                                 .in_doubt = writer.in_doubt,
                                 .overdue = writer.overdue,
                                 .failed = writer.failed,
                                 .interrupted = static_cast<uint64_t>(stored_->interrupted()),
                                 .unconfirmed = static_cast<uint64_t>(stored_->unconfirmed()),
                                 .queue = writer.queue,
                                 .commit_time = writer.commit_time};
}

void Billing::PrintState() const {
  printf("  usage  %s", store_->Describe().c_str());
  if (const int64_t left = stored_->interrupted(); left > 0) {
    printf("  (%lld requests of servers that died: interrupted, not charged)",
           static_cast<long long>(left));
  }
  if (const int64_t unsent = stored_->unconfirmed(); unsent > 0) {
    printf("  (%lld recorded answers of servers that died were perhaps not sent: %s)",
           static_cast<long long>(unsent),
           stored_->options().credit_unconfirmed ? "credited" : "charged");
  }
  printf("\n");
}

absl::Status Billing::Check() const {
  return stored_ == nullptr ? absl::OkStatus() : stored_->Check();
}

void Billing::Settle() {
  if (stored_ == nullptr) return;
  const size_t waiting = stored_->writer().figures().queue;
  if (const absl::Status there = store_->Check(); waiting > 0 && !there.ok()) {
    fprintf(stderr, "waferd: %zu usage records wait at most %.0f s: %s\n", waiting,
            ToSeconds(metering::StoreMeter::kMaxLostWait),
            store::DescribeTrouble(*store_, there).c_str());
  }
  if (!stored_->Flush()) Stop();
}

void Billing::Stop() {
  if (std::exchange(stopped_, true)) return;
  if (stored_ != nullptr && !stored_->Stop()) {
    fprintf(stderr,
            "waferd: warning: %s takes nothing: up to %zu usage records are not written and not "
            "charged; no client saw the end of those answers\n",
            store_->Describe().c_str(), stored_->writer().figures().queue);
  }
  accounts_->Stop();
}

}  // namespace waferline::app
