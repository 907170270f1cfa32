#include "server/billing/transfer.h"

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"

namespace waferline::billing {
namespace {

constexpr std::string_view kTenant = "tenant:", kPrepaid = ":prepaid";

}  // namespace

std::string PrepaidAccount(std::string_view tenant) {
  return absl::StrCat(std::string(kTenant), std::string(tenant), std::string(kPrepaid));
}

std::string ReceivableAccount(std::string_view tenant) {
  return absl::StrCat(std::string(kTenant), std::string(tenant), ":receivable");
}

std::optional<std::string> TenantOfPrepaid(std::string_view account) {
  if (account.size() < kTenant.size() + kPrepaid.size()) return std::nullopt;
  if (!account.starts_with(kTenant) || !account.ends_with(kPrepaid)) return std::nullopt;
  account.remove_prefix(kTenant.size());
  account.remove_suffix(kPrepaid.size());
  return std::string(account);
}

std::string PayerAccount(std::string_view tenant, const Plan& plan) {
  return plan.prepaid ? PrepaidAccount(tenant) : ReceivableAccount(tenant);
}

std::string RevenueAccount(std::string_view model, std::string_view item) {
  return absl::StrCat("revenue:", std::string(model), ":", std::string(item));
}

absl::Status CheckBalanced(const Transfer& transfer) {
  const auto wrong = [&transfer](std::string_view what) {
    return absl::InvalidArgumentError(
        absl::StrCat("transfer ", transfer.id, " ", std::string(what)));
  };
  if (transfer.entries.size() < 2) return wrong("has fewer than two entries");
  Money sum;
  for (const LedgerEntry& entry : transfer.entries) {
    if (entry.account.empty()) return wrong("has an entry without an account");
    if (entry.amount.IsZero()) return wrong("has an entry of zero");
    WL_RETURN_IF_ERROR(sum.Add(entry.amount));
  }
  if (!sum.IsZero()) return wrong(absl::StrCat("sums to ", sum.Format(), ", not to 0"));
  return absl::OkStatus();
}

absl::StatusOr<std::map<std::string, Money>> BalancesOf(std::span<const Transfer> transfers) {
  std::map<std::string, Money> balances;
  for (const Transfer& transfer : transfers) {
    for (const LedgerEntry& entry : transfer.entries) {
      WL_RETURN_IF_ERROR(balances[entry.account].Add(entry.amount));
    }
  }
  return balances;
}

std::optional<Transfer> UsageTransfer(const UsageRecord& record, const Plan& plan,
                                      const Charge& charge) {
  if (charge.total.IsZero()) return std::nullopt;
  Transfer transfer{.id = absl::StrCat("usage:", record.id), .at_us = record.ended_us};
  transfer.entries.push_back({PayerAccount(record.tenant, plan), charge.total});
  for (const ChargeLine& line : charge.lines) {
    if (line.amount.IsZero()) continue;
    transfer.entries.push_back({RevenueAccount(record.model, Name(line.meter)), -line.amount});
  }
  return transfer;
}

absl::StatusOr<RatedUsage> RateForLedger(const PriceBook& book, const UsageRecord& record) {
  RatedUsage rated;
  WL_ASSIGN_OR_RETURN(rated.cost, CountedCost(book, record));
  WL_ASSIGN_OR_RETURN(const Charge charge, RateOrFree(book, record));
  if (charge.total.IsZero()) return rated;
  WL_ASSIGN_OR_RETURN(const PriceVersion* version, book.At(record.admitted_us));
  WL_ASSIGN_OR_RETURN(const Plan* plan, version->PlanNamed(record.plan));
  rated.transfer = UsageTransfer(record, *plan, charge);
  return rated;
}

absl::StatusOr<Transfer> TopUpTransfer(std::string_view id, std::string_view tenant, Money amount,
                                       int64_t at_us) {
  if (amount <= Money()) return absl::InvalidArgumentError("a top-up must be above 0");
  return Transfer{
      .id = absl::StrCat(std::string(kTopUp), std::string(id)),
      .at_us = at_us,
      .entries = {{std::string(kCashAccount), amount}, {PrepaidAccount(tenant), -amount}}};
}

Transfer ReversalOf(const Transfer& transfer, int64_t at_us) {
  Transfer reversal{.id = absl::StrCat(transfer.id, ":reversed"), .at_us = at_us};
  for (const LedgerEntry& entry : transfer.entries) {
    reversal.entries.push_back({entry.account, -entry.amount});
  }
  return reversal;
}

}  // namespace waferline::billing
