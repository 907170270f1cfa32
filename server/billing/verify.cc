#include "server/billing/verify.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"

namespace waferline::billing {
namespace {

// An invoice's text is kept as it was closed: once it did not say what was taken from the balance,
// and without a tenant it was named ":2026-06".
bool IsText(const std::string& kept, std::string text) {
  constexpr std::string_view kTaken = R"("from_balance_usd":)";
  const size_t taken = text.find(kTaken);
  if (taken != text.npos && kept.find(kTaken) == kept.npos) {
    text.erase(taken, text.find(',', taken) + 1 - taken);
  }
  constexpr std::string_view kName = R"({"invoice":"no-tenant:)", kOnce = R"({"invoice":":)";
  return kept == text || (text.starts_with(kName) && kept.starts_with(kOnce) &&
                          kept.substr(kOnce.size()) == text.substr(kName.size()));
}

// Its sums, both accounts of the tenant as one.
std::map<std::string, Money> ByPayer(const Transfer& transfer, const std::string& tenant) {
  std::map<std::string, Money> sums;
  for (const LedgerEntry& entry : transfer.entries) {
    const bool due = entry.account == ReceivableAccount(tenant);
    Money& sum = sums[due ? PrepaidAccount(tenant) : entry.account];
    if (!sum.Add(entry.amount).ok()) return {};
  }
  std::erase_if(sums, [](const auto& sum) { return sum.second.IsZero(); });
  return sums;
}

class Verifier {
 public:
  Verifier(const PriceBook& book, const LedgerContents& contents)
      : book_(book), contents_(contents) {}

  LedgerReport Run() {
    report_.losses = contents_.losses;
    IndexTransfers();
    CheckRecords();
    CheckHours();
    CheckAccounts();
    CheckPayments();
    CheckInvoices();
    for (const auto& [id, transfer] : transfers_) {
      if (explained_.contains(id) || !NeedsCause(id) || IsReversed(*transfer)) continue;
      Differ("transfer ", id, " has no cause");
    }
    return std::move(report_);
  }

 private:
  template <typename... Parts>
  void Differ(const Parts&... parts) {
    if (report_.differences.size() < kMaxDifferences) {
      report_.differences.push_back(absl::StrCat(parts...));
    }
    ++report_.differences_found;
  }

  // Top-ups, credit notes and reversals follow from decisions, not from records.
  static bool NeedsCause(const std::string& id) {
    return (id.rfind("usage:", 0) == 0 || id.rfind("invoice:", 0) == 0) &&
           id.find(":reversed") == id.npos;
  }

  // Credited: its record costs nothing any more.
  bool IsReversed(const Transfer& transfer) const {
    const auto reversal = transfers_.find(transfer.id + ":reversed");
    return reversal != transfers_.end() &&
           reversal->second->entries == ReversalOf(transfer, 0).entries;
  }

  void IndexTransfers() {
    for (const Transfer& transfer : contents_.transfers) {
      ++report_.transfers;
      if (!transfers_.emplace(transfer.id, &transfer).second) {
        ++report_.duplicates;
        Differ("transfer ", transfer.id, " appears again");
      }
      if (const absl::Status balanced = CheckBalanced(transfer); !balanced.ok()) {
        ++report_.unbalanced;
        Differ(std::string(balanced.message()));
      }
    }
  }

  void CheckRecords() {
    for (const StoredUsage& usage : contents_.usage) {
      ++report_.records;
      if (!by_id_.emplace(usage.record.id, &usage.record).second) {
        ++report_.duplicates;
        Differ("usage ", usage.record.id, " appears again");
      }
      if (usage.open) {
        ++report_.open;
        if (!usage.charge.IsZero()) Differ("usage ", usage.record.id, " is open, and charged");
        continue;
      }
      if (usage.record.end == UsageEnd::kInterrupted) {
        ++report_.interrupted;
        ++interrupted_[{usage.record.tenant, MonthOf(usage.record.ended_us)}];
      } else {
        ++report_.posted;
        if (!usage.confirmed) ++report_.unconfirmed;
      }
      CheckCharge(usage);
    }
  }

  void CheckCharge(const StoredUsage& usage) {
    const absl::StatusOr<RatedUsage> rated = RateForLedger(book_, usage.record);
    if (!rated.ok()) return Differ(std::string(rated.status().message()));
    if (rated->cost != usage.charge) {
      Differ("usage ", usage.record.id, " costs ", rated->cost.Format(), ", not ",
             usage.charge.Format());
    }
    if (rated->transfer.has_value()) Expect(*rated->transfer);
  }

  // The ledger has this transfer; its instant is the ledger's own.
  void Expect(const Transfer& expected) {
    const auto found = transfers_.find(expected.id);
    if (found == transfers_.end()) return Differ("transfer ", expected.id, " is missing");
    explained_.insert(expected.id);
    if (found->second->entries != expected.entries) {
      Differ("transfer ", expected.id, " has other entries than its cause gives");
    }
  }

  // That of an invoice. Once all of the rounding was of one of the tenant's accounts.
  void ExpectClosing(const Transfer& expected, const std::string& tenant) {
    const auto found = transfers_.find(expected.id);
    const bool there = found != transfers_.end();
    if (ByPayer(there ? *found->second : Transfer(), tenant) != ByPayer(expected, tenant)) {
      return Expect(expected);
    }
    if (there) explained_.insert(expected.id);
  }

  void CheckHours() {
    const absl::StatusOr<std::vector<HourSum>> sums = SumByHour(contents_.usage);
    if (!sums.ok()) return Differ(std::string(sums.status().message()));
    std::vector<HourSum> stored = contents_.hours;
    std::sort(stored.begin(), stored.end(),
              [](const HourSum& a, const HourSum& b) { return a.Key() < b.Key(); });
    size_t i = 0;
    for (const HourSum& sum : *sums) {
      while (i < stored.size() && stored[i].Key() < sum.Key()) DifferHour(stored[i++], "extra");
      ++report_.hours_checked;
      if (i == stored.size() || stored[i].Key() != sum.Key()) {
        DifferHour(sum, "missing");
      } else if (!(stored[i++] == sum)) {
        DifferHour(sum, "not the sum of its records");
      }
    }
    while (i < stored.size()) DifferHour(stored[i++], "extra");
  }

  void DifferHour(const HourSum& sum, std::string_view what) {
    Differ("hour ", InstantText(sum.hour_us), " of ", sum.tenant, ", ", sum.model, " is ",
           std::string(what));
  }

  void CheckAccounts() {
    const absl::StatusOr<std::vector<AccountSum>> sums = SumAccounts(book_, contents_);
    if (!sums.ok()) return Differ(std::string(sums.status().message()));
    std::map<std::tuple<std::string, std::string, int64_t>, AccountSum> left;
    const auto name = [](const AccountSum& sum) {
      return sum.project.empty() ? sum.tenant : absl::StrCat(sum.tenant, ", ", sum.project);
    };
    for (const AccountSum& sum : *sums) left[{sum.tenant, sum.project, sum.period}] = sum;
    for (const AccountSum& stored : contents_.accounts) {
      const AccountSum sum =
          std::exchange(left[{stored.tenant, stored.project, stored.period}], {});
      if (stored.spent == sum.spent && stored.held_micro == sum.held_micro) continue;
      Differ("account of ", name(stored), " in ", stored.period, " has spent ",
             stored.spent.Format(), " and holds ", stored.held_micro, " micro$, not ",
             sum.spent.Format(), " and ", sum.held_micro);
    }
    for (const auto& [key, sum] : left) {
      if (sum.spent.IsZero() && sum.held_micro == 0) continue;
      Differ("account of ", name(sum), " in ", sum.period, " is missing");
    }
  }

  void CheckPayments() {
    const absl::StatusOr<std::map<std::string, Money>> booked = SumPayments(contents_.transfers);
    if (!booked.ok()) return Differ(std::string(booked.status().message()));
    std::map<std::string, Money> by_quota = contents_.paid_in, by_ledger = *booked;
    for (const auto& [tenant, paid] : by_ledger) by_quota.try_emplace(tenant);
    for (const auto& [tenant, paid] : by_quota) {
      if (paid == by_ledger[tenant]) continue;
      Differ("tenant ", tenant, " has paid in ", paid.Format(), " by its quota, and ",
             by_ledger[tenant].Format(), " by the ledger: 'waferctl quotas set --tenant ", tenant,
             " --prepaid-usd ALL', all that it has really paid in, makes both that");
    }
  }

  void CheckInvoices() {
    std::set<std::string> invoiced;
    for (const StoredInvoice& stored : contents_.invoices) {
      ++report_.invoices;
      const std::string id = absl::StrCat(NameOfTenant(stored.tenant), ":", stored.month.Text());
      std::vector<UsageRecord> records;
      for (const std::string& usage : stored.usage_ids) {
        const auto found = by_id_.find(usage);
        if (found == by_id_.end()) {
          Differ("invoice ", id, " has the unknown usage ", usage);
        } else {
          records.push_back(*found->second);
        }
        if (!invoiced.insert(usage).second) Differ("usage ", usage, " is invoiced again");
      }
      CheckInvoice(stored, id, records);
    }
  }

  void CheckInvoice(const StoredInvoice& stored, const std::string& id,
                    const std::vector<UsageRecord>& records) {
    absl::StatusOr<Invoice> draft =
        DraftInvoice(book_, {stored.tenant, stored.plan, stored.month, records,
                             interrupted_[{stored.tenant, stored.month}]});
    if (!draft.ok()) return Differ("invoice ", id, ": ", std::string(draft.status().message()));
    const auto closed = FinalInvoice::Close(*std::move(draft), stored.closed_us);
    if (!closed.ok()) return Differ(std::string(closed.status().message()));
    if (!IsText(stored.text, closed->text())) {
      Differ("invoice ", id, " is not what its records give");
    }
    ExpectClosing(closed->transfer(), stored.tenant);
  }

  const PriceBook& book_;
  const LedgerContents& contents_;
  LedgerReport report_;
  std::map<std::string, const Transfer*> transfers_;
  std::map<std::string, const UsageRecord*> by_id_;
  std::map<std::pair<std::string, Month>, int64_t> interrupted_;  // by tenant and month
  std::set<std::string> explained_;
};

}  // namespace

LedgerReport VerifyLedger(const PriceBook& book, const LedgerContents& contents) {
  return Verifier(book, contents).Run();
}

}  // namespace waferline::billing
