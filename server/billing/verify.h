// Recomputes a ledger: what every record costs, every hour's sums, every transfer and every final
// invoice, from the records and the price book alone, compares what quotas say was paid in advance
// with the payments, and lists what differs. A pure function of
// what the store holds; any thread. Cost: n log n in the records.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/statusor.h"
#include "server/billing/invoice.h"
#include "server/billing/price_book.h"
#include "server/billing/transfer.h"
#include "server/billing/usage_record.h"

namespace waferline::billing {

inline constexpr size_t kMaxDifferences = 100;  // listed; more are only counted

struct StoredUsage {
  UsageRecord record;
  bool open = false;  // admitted, its end not recorded yet: it has no charge
  Money charge;
  int64_t hold_micro = 0;  // of an open one: held for what it may cost
  bool confirmed = true;   // its answer was handed to the connection, or had no client any more
};

// Sums of the records that ended in an hour, as reports read them.
struct HourSum {
  int64_t hour_us = 0;  // its begin
  std::string tenant;
  std::string project;
  std::string key;
  std::string model;
  Tier served = Tier::kDefault;
  int64_t requests = 0;  // by their first choices
  int64_t records = 0;
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;
  int64_t generated_tokens = 0;
  Money charge;
  // All that the sums are by, in their order.
  auto Key() const { return std::tie(hour_us, tenant, project, key, model, served); }
  bool operator==(const HourSum&) const = default;
};

// What a tenant, or a project of it, counts as spent (CountedCost) and what is held for it, in the
// month YYYYMM in which its requests were admitted. Period 0: the tenant's prepaid balance, as
// metering/usage_tables.h says.
struct AccountSum {
  std::string tenant;
  std::string project;  // "": the whole tenant
  int64_t period = 0;
  Money spent;
  int64_t held_micro = 0;
  bool operator==(const AccountSum&) const = default;
};

struct StoredInvoice {
  std::string tenant;
  std::string plan;
  Month month;
  int64_t closed_us = 0;
  std::string text;                    // as FinalInvoice::text
  std::vector<std::string> usage_ids;  // the records on it
};

struct LedgerContents {
  std::vector<StoredUsage> usage;
  std::vector<HourSum> hours;
  std::vector<AccountSum> accounts;
  std::map<std::string, Money> paid_in;  // by tenant: in advance, as its quota has it
  std::vector<Transfer> transfers;
  std::vector<StoredInvoice> invoices;
  int64_t losses = 0;  // times that the database had lost what its last server recorded
};

struct LedgerReport {
  int64_t records = 0;
  int64_t open = 0;
  int64_t posted = 0;
  int64_t interrupted = 0;
  int64_t unconfirmed = 0;  // posted, but perhaps not sent
  int64_t duplicates = 0;   // ids, of records or transfers, that appear again
  int64_t hours_checked = 0;
  int64_t transfers = 0;
  int64_t unbalanced = 0;
  int64_t invoices = 0;
  int64_t losses = 0;  // as in LedgerContents: no difference, since nothing is left to compare
  int64_t differences_found = 0;
  std::vector<std::string> differences;  // the first kMaxDifferences
  bool clean() const { return differences_found == 0; }
};

// The sums that `usage` must give, by hour, tenant, project, key, model, tier; records that are
// open or were interrupted are in none. OutOfRange: above what Money holds.
absl::StatusOr<std::vector<HourSum>> SumByHour(const std::vector<StoredUsage>& usage);

// The same for accounts: by tenant and by project in the month of admission, and prepaid balances,
// which the transfers give, and system time that no invoice has booked.
absl::StatusOr<std::vector<AccountSum>> SumAccounts(const PriceBook& book,
                                                    const LedgerContents& contents);
// By tenant: what the transfers say that it paid in advance.
absl::StatusOr<std::map<std::string, Money>> SumPayments(const std::vector<Transfer>& transfers);

LedgerReport VerifyLedger(const PriceBook& book, const LedgerContents& contents);

}  // namespace waferline::billing
