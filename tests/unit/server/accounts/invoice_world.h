// A server's life on a real store, whose invoices and ledger are looked at.
#pragma once

#include <catch2/catch.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "server/accounts/books.h"
#include "server/accounts/invoice_tables.h"
#include "server/accounts/ledger_tables.h"
#include "server/accounts/price_books.h"
#include "server/billing/price_book_reader.h"
#include "server/metering/store_meter.h"
#include "tests/unit/server/store/temporary_store.h"
#include "wafer_backend/base/calendar.h"

namespace waferline::accounts {

inline constexpr char kBook[] =
    "currency: USD\n"
    "versions:\n"
    "  - effective: 2026-01-01T00:00:00Z\n"
    "    models:\n"
    "      - {name: m, input: '2.5', cached_input: '0.25', output: '15'}\n"
    "      - {name: '*', system_second: '0.01'}\n"
    "    plans:\n"
    "      - {name: prepaid, prepaid: true}\n"
    "      - {name: hours, bill: compute_time}\n"
    "      - {name: paid_hours, bill: compute_time, prepaid: true}\n"
    "      - {name: promised, service: {availability: 0.9, cap_share: 0.5}}\n";
inline const Month kMonth{2026, 9};
inline const int64_t kGraceOver = kMonth.end_us() + billing::kInvoiceGraceUs;

inline Nanoseconds Now() {
  return Nanoseconds(std::chrono::steady_clock::now().time_since_epoch().count());
}

struct World {
  World() : store(store::OpenStore(folder.Url(), store::Durability::kProcess).value()) {
    connection = store->Connect().value();
    REQUIRE(AdoptPriceBook(*connection, book, kMonth.begin_us()).ok());
  }

  // So many answers of the tenant, the wall clock at `at_us`, each of 1,000 prompt tokens, 300 of
  // them cached, and 500.
  void Serve(const std::string& tenant, int answers, int64_t at_us, const std::string& plan = "",
             store::Store* through = nullptr) {
    const metering::StoreMeter::Options options{.host = "here",
                                                .patience = Seconds(60),
                                                .now = Now,
                                                .unix_us = [at_us] { return at_us; },
                                                .prices = &book,
                                                .show_cost = true};
    auto meter = metering::StoreMeter::Start(through == nullptr ? store.get() : through, options);
    while (!meter.ok()) meter = metering::StoreMeter::Start(through, options);
    std::vector<ValidRequest> one(1);
    one[0].prompt = std::make_shared<const std::vector<TokenId>>(1000, 7);
    for (int i = 0; i < answers; ++i) {
      const auto usage = (*meter)
                             ->Admit({.subject = {.tenant = tenant,
                                                  .plan = plan,
                                                  .model = "m",
                                                  .tier = "default",
                                                  .endpoint = "test"},
                                      .choices = one})
                             .value();
      usage->Open(nullptr);
      const Outcome outcome{.reason = FinishReason::kStop,
                            .prompt_tokens = 1000,
                            .cached_tokens = 300,
                            .generated_tokens = 500,
                            .compute = {.wafer_ns = 1'500'000'000, .microjoules = 7}};
      usage->Post(0, outcome, [](const absl::Status&) {});
      cost = usage->CostText();
    }
    REQUIRE((*meter)->Stop());
  }

  template <typename Work>
  auto Do(Work work) {
    REQUIRE(connection->Begin().ok());
    auto answer = work(*connection);
    if (answer.ok()) {
      REQUIRE(connection->Commit().ok());
    } else {
      connection->Rollback();
    }
    return answer;
  }
  absl::StatusOr<KeptInvoice> Close(const InvoiceName& name, int64_t now_us) {
    return Do([&](auto& db) { return CloseInvoice(db, book, name, now_us); });
  }
  absl::StatusOr<KeptInvoice> Credit(const InvoiceName& name, billing::CreditNote note) {
    return Do([&](auto& db) { return CreditInvoice(db, book, name, note); });
  }
  std::string Differences() {
    const auto report = VerifyStore(*connection, book);
    INFO(report.status());
    REQUIRE(report.ok());
    return report->clean() ? "" : report->differences.front();
  }
  Money Balance(const std::string& account) {
    const std::vector<accounts::Balance> all = ReadBalances(*connection).value();
    for (const accounts::Balance& one : all) {
      if (one.account == account) return one.amount;
    }
    return {};
  }

  billing::PriceBook book = billing::ParsePriceBook("prices.yaml", kBook).value();
  store::StoreFolder folder;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<store::Connection> connection;
  std::string cost;
};

inline const InvoiceName kAcme{"acme", kMonth};

}  // namespace waferline::accounts
