// The sums that records and transfers give (verify.h).
#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "server/billing/prepaid.h"
#include "server/billing/verify.h"
#include "wafer_backend/base/calendar.h"
#include "wafer_backend/base/status.h"

namespace waferline::billing {
namespace {

class Accounts {
 public:
  absl::Status Add(const AccountSum& part) {
    AccountSum& sum = sums_[{part.tenant, part.project, part.period}];
    sum.tenant = part.tenant;
    sum.project = part.project;
    sum.period = part.period;
    sum.held_micro += part.held_micro;
    return sum.spent.Add(part.spent);
  }
  std::vector<AccountSum> Take() {
    std::vector<AccountSum> all;
    for (auto& [key, sum] : sums_) all.push_back(std::move(sum));
    return all;
  }

 private:
  std::map<std::tuple<std::string, std::string, int64_t>, AccountSum> sums_;
};

}  // namespace

absl::StatusOr<std::vector<HourSum>> SumByHour(const std::vector<StoredUsage>& usage) {
  std::vector<HourSum> sums;
  for (const StoredUsage& stored : usage) {
    const UsageRecord& record = stored.record;
    if (stored.open || record.end == UsageEnd::kInterrupted) continue;
    sums.push_back({.hour_us = record.ended_us - record.ended_us % kMicrosecondsPerHour,
                    .tenant = record.tenant,
                    .project = record.project,
                    .key = record.key,
                    .model = record.model,
                    .served = record.served,
                    .requests = record.id.ends_with(".0") ? 1 : 0,
                    .records = 1,
                    .prompt_tokens = record.prompt_tokens,
                    .cached_tokens = record.cached_tokens,
                    .generated_tokens = record.generated_tokens,
                    .charge = stored.charge});
  }
  std::sort(sums.begin(), sums.end(),
            [](const HourSum& a, const HourSum& b) { return a.Key() < b.Key(); });
  std::vector<HourSum> merged;
  for (HourSum& sum : sums) {
    if (merged.empty() || merged.back().Key() != sum.Key()) {
      merged.push_back(std::move(sum));
      continue;
    }
    HourSum& into = merged.back();
    into.requests += sum.requests;
    into.records += sum.records;
    into.prompt_tokens += sum.prompt_tokens;
    into.cached_tokens += sum.cached_tokens;
    into.generated_tokens += sum.generated_tokens;
    WL_RETURN_IF_ERROR(into.charge.Add(sum.charge));
  }
  return merged;
}

absl::StatusOr<std::vector<AccountSum>> SumAccounts(const PriceBook& book,
                                                    const LedgerContents& contents) {
  std::set<std::string_view> invoiced;
  for (const StoredInvoice& invoice : contents.invoices) {
    invoiced.insert(invoice.usage_ids.begin(), invoice.usage_ids.end());
  }
  Accounts sums;
  for (const StoredUsage& stored : contents.usage) {
    const UsageRecord& record = stored.record;
    const Month month = MonthOf(record.admitted_us);
    AccountSum part{.tenant = record.tenant,
                    .period = int64_t{month.year} * 100 + month.month,
                    .spent = stored.charge,
                    .held_micro = stored.hold_micro};
    WL_RETURN_IF_ERROR(sums.Add(part));
    if (!record.project.empty()) {
      part.project = record.project;
      WL_RETURN_IF_ERROR(sums.Add(part));
    }
    AccountSum balance{.tenant = record.tenant, .held_micro = stored.hold_micro};
    if (!stored.open && !invoiced.contains(record.id)) {
      WL_ASSIGN_OR_RETURN(balance.spent, PrepaidTime(book, record));
    }
    WL_RETURN_IF_ERROR(sums.Add(balance));
  }
  for (const Transfer& transfer : contents.transfers) {
    for (const LedgerEntry& entry : transfer.entries) {
      const std::optional<std::string> tenant = TenantOfPrepaid(entry.account);
      if (tenant) WL_RETURN_IF_ERROR(sums.Add({.tenant = *tenant, .spent = entry.amount}));
    }
  }
  return sums.Take();
}

absl::StatusOr<std::map<std::string, Money>> SumPayments(const std::vector<Transfer>& transfers) {
  std::map<std::string, Money> paid;
  for (const Transfer& transfer : transfers) {
    if (!transfer.id.starts_with(kTopUp)) continue;
    for (const LedgerEntry& entry : transfer.entries) {
      const std::optional<std::string> tenant = TenantOfPrepaid(entry.account);
      if (tenant) WL_RETURN_IF_ERROR(paid[*tenant].Subtract(entry.amount));
    }
  }
  return paid;
}

}  // namespace waferline::billing
