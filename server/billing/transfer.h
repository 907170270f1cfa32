// The ledger's only change: a transfer between accounts, whose entries sum to zero. Transfers are
// never edited; a correction is a further transfer. Plain values and pure functions, any thread;
// who keeps them is server/store.
//
// Debits are positive. What a tenant owes is the balance of its receivable account; what is left of
// a prepaid balance, the negative of its prepaid account's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/billing/price_book.h"
#include "server/billing/rating.h"
#include "server/money/money.h"

namespace waferline::billing {

struct LedgerEntry {
  std::string account;
  Money amount;
  bool operator==(const LedgerEntry&) const = default;
};

struct Transfer {
  std::string id;  // unique: a transfer counts once, however often it is sent
  int64_t at_us = 0;
  std::vector<LedgerEntry> entries;
  bool operator==(const Transfer&) const = default;
};

// Accounts.
inline constexpr std::string_view kCashAccount = "cash";
inline constexpr std::string_view kRoundingAccount = "rounding";
inline constexpr std::string_view kDiscountAccount = "discounts";
inline constexpr std::string_view kCreditAccount = "credits";
inline constexpr std::string_view kCapacityAccount = "revenue:capacity";  // committed, not used
// Who pays for usage under `plan`: "tenant:NAME:prepaid" or "tenant:NAME:receivable".
std::string PayerAccount(std::string_view tenant, const Plan& plan);
std::string PrepaidAccount(std::string_view tenant);
std::string ReceivableAccount(std::string_view tenant);
// Whose prepaid account it is; not set: it is none.
std::optional<std::string> TenantOfPrepaid(std::string_view account);
// "revenue:MODEL:output".
std::string RevenueAccount(std::string_view model, std::string_view item);

// InvalidArgument: fewer than two entries, an entry without an account or an amount, or a sum that
// is not zero.
absl::Status CheckBalanced(const Transfer& transfer);
// Every account's sum. OutOfRange: above what Money holds.
absl::StatusOr<std::map<std::string, Money>> BalancesOf(std::span<const Transfer> transfers);

// "usage:ID": the payer owes the record's charge. nullopt for a charge of zero.
std::optional<Transfer> UsageTransfer(const UsageRecord& record, const Plan& plan,
                                      const Charge& charge);
// What a record costs (CountedCost) and how it is booked: UsageTransfer, by the plan in force when
// it was admitted. Compute time is booked by the invoice. Errors as Rate.
struct RatedUsage {
  Money cost;
  std::optional<Transfer> transfer;
};
absl::StatusOr<RatedUsage> RateForLedger(const PriceBook& book, const UsageRecord& record);
// A transfer's id begins with it if it is a payment in advance, or the reversal of one.
inline constexpr std::string_view kTopUp = "topup:";
// "topup:ID": a tenant pays in advance. InvalidArgument: the amount is not above 0.
absl::StatusOr<Transfer> TopUpTransfer(std::string_view id, std::string_view tenant, Money amount,
                                       int64_t at_us);
// Undoes `transfer`; its id is that of `transfer` with ":reversed".
Transfer ReversalOf(const Transfer& transfer, int64_t at_us);

}  // namespace waferline::billing
