// A meter on a SQLite store in a folder of its own, with simple prices, and what requests of it
// are.
#pragma once

#include <catch2/catch.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "server/billing/price_book_reader.h"
#include "server/metering/store_meter.h"
#include "server/metering/usage_tables.h"
#include "tests/unit/server/store/temporary_store.h"

namespace waferline::metering {

inline constexpr int64_t kNowUs = 1'790'000'000'000'000;  // September 2026

inline Nanoseconds Now() {
  return Nanoseconds(std::chrono::steady_clock::now().time_since_epoch().count());
}

// 3 picodollars a prompt token, 1.5 million a generated one.
inline const billing::PriceBook& Prices() {
  static const auto* const kBook = new billing::PriceBook(
      billing::ParsePriceBook(
          "prices.yaml",
          "currency: USD\n"
          "versions:\n"
          "  - effective: 2026-01-01T00:00:00Z\n"
          "    models:\n"
          "      - {name: m, input: '0.000003', cached_input: '0', output: '1.5', system_second: "
          "'0.5', tiers: {priority: '2'}}\n"
          "    plans: [{name: hours, bill: compute_time}, {name: payer, prepaid: true}]\n")
          .value());
  return *kBook;
}

inline StoreMeter::Options Plain() {
  return {.host = "here",
          .patience = Seconds(60),
          .now = Now,
          .unix_us = [] { return kNowUs; },
          .prices = &Prices(),
          .open_delay = Nanoseconds(0)};
}

struct World {
  World() : real(store::OpenStore(folder.Url(), store::Durability::kProcess).value()) {
    connection = real->Connect().value();
  }
  int64_t Number(const std::string& sql) {
    const auto found = connection->Run(sql, {});
    INFO(found.status());
    REQUIRE(found.ok());
    REQUIRE(found->rows.size() == 1);
    return store::IntegerOf(found->rows[0][0]);
  }
  void SetQuota(const std::string& column, int64_t micro) {
    REQUIRE(connection
                ->Run("INSERT INTO quota(tenant, " + column +
                          ") VALUES('t', $1) ON CONFLICT(tenant) DO UPDATE SET " + column + " = $1",
                      {micro})
                .ok());
  }
  // A hard cap of t, or what it has paid in; requests of `plan` are held to it.
  void LimitTo(const std::string& plan, int64_t micro) {
    if (plan.empty()) return SetQuota("hard_micro", micro);
    REQUIRE(AddToBalance(*connection, "t", -Money::FromColumns({micro, 0}).value()).ok());
  }

  store::StoreFolder folder;
  std::unique_ptr<store::Store> real;
  std::unique_ptr<store::Connection> connection;
};

inline std::vector<ValidRequest> Requests(size_t choices, uint32_t prompt, uint32_t max_tokens) {
  std::vector<ValidRequest> requests(choices);
  const auto tokens = std::make_shared<const std::vector<TokenId>>(prompt, 7);
  for (ValidRequest& request : requests) {
    request.prompt = tokens;
    request.max_tokens = max_tokens;
  }
  return requests;
}

inline Outcome Ended(uint32_t prompt, uint32_t generated,
                     FinishReason reason = FinishReason::kStop) {
  return {.reason = reason, .prompt_tokens = prompt, .generated_tokens = generated};
}

inline std::shared_ptr<RequestUsage> Admit(StoreMeter& meter,
                                           const std::vector<ValidRequest>& requests,
                                           bool capped = false, const std::string& plan = "") {
  return meter
      .Admit(
          {.subject =
               {.tenant = "t", .plan = plan, .model = "m", .tier = "default", .endpoint = "test"},
           .choices = requests,
           .capped = capped})
      .value();
}

}  // namespace waferline::metering
