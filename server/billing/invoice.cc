#include "server/billing/invoice.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "server/billing/prepaid.h"
#include "wafer_backend/base/name_table.h"
#include "wafer_backend/base/status.h"

namespace waferline::billing {
namespace {

constexpr NamedValue<Item> kItemNames[] = {
    {"input", Item::kInput},
    {"cached_input", Item::kCachedInput},
    {"output", Item::kOutput},
    {"system_time", Item::kSystemTime},
    {"reserved_fee", Item::kReservedFee},
    {"reserved_cover", Item::kReservedCover},
    {"volume_discount", Item::kVolumeDiscount},
    {"unused_commitment", Item::kUnusedCommitment},
    {"service_credit", Item::kServiceCredit},
};
constexpr int64_t kNanosecondsPerSecond = 1'000'000'000;

auto KeyOf(const InvoiceLine& line) {
  return std::tie(line.period, line.project, line.model, line.item, line.tier, line.price);
}

Item ItemOf(Meter meter) { return static_cast<Item>(meter); }
static_assert(static_cast<int>(Item::kSystemTime) == static_cast<int>(Meter::kSystemTime));

absl::Status CheckRecords(const InvoiceInput& input) {
  std::set<std::string_view> ids;
  for (const UsageRecord& record : input.records) {
    const auto wrong = [&record](std::string_view what) {
      return absl::InvalidArgumentError(absl::StrCat("usage ", record.id, " ", std::string(what)));
    };
    if (record.tenant != input.tenant) return wrong("is another tenant's");
    if (record.ended_us >= input.month.end_us()) return wrong("ended after the month");
    if (!ids.insert(record.id).second) return wrong("is given twice");
  }
  return absl::OkStatus();
}

// Lines of one record; quantities only, amounts follow when they are summed. What its charge took
// from the balance is added to `taken`.
absl::Status AddRecord(const PriceBook& book, const UsageRecord& record,
                       std::vector<InvoiceLine>* lines, Money* taken) {
  WL_ASSIGN_OR_RETURN(const Charge charge, RateOrFree(book, record));
  if (IsPrepaid(&book, record.plan, record.admitted_us)) {
    WL_RETURN_IF_ERROR(taken->Add(charge.total));
  }
  InvoiceLine line{.period = MonthOf(record.ended_us),
                   .project = record.project,
                   .model = record.model,
                   .tier = record.served};
  for (const ChargeLine& part : charge.lines) {
    line.item = ItemOf(part.meter);
    line.price = part.price;
    line.quantity = part.quantity;
    lines->push_back(line);
  }
  const absl::StatusOr<const PriceVersion*> in_force = book.At(record.admitted_us);
  if (!in_force.ok()) return absl::OkStatus();  // from before the first prices: costs nothing
  const PriceVersion* const version = *in_force;
  WL_ASSIGN_OR_RETURN(const Plan* plan, version->PlanNamed(record.plan));
  if (plan->billed != Billed::kComputeTime || !IsCharged(record.end)) return absl::OkStatus();
  if (record.system_ns == 0) return absl::OkStatus();
  line.item = Item::kSystemTime;
  const absl::StatusOr<UnitPrice> second = version->SystemSecondOf(record.model);
  if (!second.ok()) return absl::OkStatus();  // a model without a price costs nothing
  line.price = *second;
  line.quantity = record.system_ns;
  lines->push_back(line);
  return absl::OkStatus();
}

// Lines that differ only in their quantity become one; then amounts are computed, once a line.
absl::Status MergeLines(std::vector<InvoiceLine>* lines) {
  std::sort(lines->begin(), lines->end(),
            [](const InvoiceLine& a, const InvoiceLine& b) { return KeyOf(a) < KeyOf(b); });
  std::vector<InvoiceLine> merged;
  for (InvoiceLine& line : *lines) {
    if (!merged.empty() && KeyOf(merged.back()) == KeyOf(line)) {
      if (__builtin_add_overflow(merged.back().quantity, line.quantity, &merged.back().quantity)) {
        return absl::OutOfRangeError("a quantity of an invoice is out of range");
      }
    } else {
      merged.push_back(std::move(line));
    }
  }
  for (InvoiceLine& line : merged) {
    const bool time = line.item == Item::kSystemTime;
    WL_ASSIGN_OR_RETURN(line.amount, time ? line.price.OfParts(line.quantity, kNanosecondsPerSecond)
                                          : line.price.Of(line.quantity));
  }
  *lines = std::move(merged);
  return absl::OkStatus();
}

std::string AccountOf(const InvoiceLine& line) {
  switch (line.item) {
    case Item::kVolumeDiscount:
      return std::string(kDiscountAccount);
    case Item::kUnusedCommitment:
      return std::string(kCapacityAccount);
    case Item::kServiceCredit:
      return std::string(kCreditAccount);
    default:
      return RevenueAccount(line.model, Name(line.item));
  }
}

}  // namespace

std::string_view Name(Item item) { return NameIn(kItemNames, item); }

absl::StatusOr<const Plan*> PlanOfMonth(const PriceBook& book, std::string_view plan, Month month) {
  const auto later = std::find_if(
      book.versions.begin(), book.versions.end(),
      [&](const PriceVersion& version) { return version.effective_us > month.begin_us(); });
  auto version = later == book.versions.begin() ? later : later - 1;
  absl::StatusOr<const Plan*> found = version->PlanNamed(plan);
  while (!found.ok() && ++version != book.versions.end()) found = version->PlanNamed(plan);
  return found;
}

absl::StatusOr<Invoice> DraftInvoice(const PriceBook& book, const InvoiceInput& input) {
  WL_RETURN_IF_ERROR(CheckRecords(input));
  WL_ASSIGN_OR_RETURN(const Plan* plan, PlanOfMonth(book, input.plan, input.month));
  Invoice invoice{.id = absl::StrCat(NameOfTenant(input.tenant), ":", input.month.Text()),
                  .tenant = input.tenant,
                  .plan = input.plan,
                  .month = input.month,
                  .records = static_cast<int64_t>(input.records.size())};
  if (plan->prepaid) invoice.paid_from = PrepaidAccount(input.tenant);
  for (const UsageRecord& record : input.records) {
    WL_RETURN_IF_ERROR(AddRecord(book, record, &invoice.lines, &invoice.from_balance));
  }
  WL_RETURN_IF_ERROR(AddReservations(*plan, book, input, &invoice.lines));
  WL_RETURN_IF_ERROR(MergeLines(&invoice.lines));
  WL_RETURN_IF_ERROR(AddVolumeDiscounts(*plan, input, &invoice.lines));
  WL_RETURN_IF_ERROR(DrawDownCommitment(*plan, &invoice));
  WL_RETURN_IF_ERROR(AddServiceCredit(*plan, input, &invoice));
  for (const InvoiceLine& line : invoice.lines) {
    WL_RETURN_IF_ERROR(invoice.exact.Add(line.amount));
    const bool at_close = line.item >= Item::kSystemTime;
    if (at_close && plan->prepaid) WL_RETURN_IF_ERROR(invoice.from_balance.Add(line.amount));
  }
  invoice.total = invoice.exact.RoundedToCents();
  WL_ASSIGN_OR_RETURN(invoice.rounding, Money::FromCents(invoice.total));
  WL_RETURN_IF_ERROR(invoice.rounding.Subtract(invoice.exact));
  Money rest = invoice.exact;
  WL_RETURN_IF_ERROR(rest.Subtract(invoice.from_balance));
  invoice.due = rest.RoundedToCents();
  return invoice;
}

absl::StatusOr<Transfer> ClosingTransfer(const Invoice& invoice, int64_t at_us) {
  // What the ledger counts once: without a tenant "invoice::2026-06", as ledgers have it.
  Transfer transfer{.id = absl::StrCat("invoice:", invoice.tenant, ":", invoice.month.Text()),
                    .at_us = at_us};
  const auto add = [&transfer](std::string account, Money debit) {
    if (!debit.IsZero()) transfer.entries.push_back({std::move(account), debit});
  };
  Money lines;
  for (const InvoiceLine& line : invoice.lines) {
    if (line.item < Item::kSystemTime) continue;  // the records' own transfers have these
    add(AccountOf(line), -line.amount);
    WL_RETURN_IF_ERROR(lines.Add(line.amount));
  }
  add(std::string(kRoundingAccount), -invoice.rounding);
  // What is due was exact - from_balance; the rest of the rounding is the balance's.
  WL_ASSIGN_OR_RETURN(Money receivable, Money::FromCents(invoice.due));
  WL_RETURN_IF_ERROR(receivable.Subtract(invoice.exact));
  WL_RETURN_IF_ERROR(receivable.Add(invoice.from_balance));
  Money balance = invoice.rounding;
  WL_RETURN_IF_ERROR(balance.Subtract(receivable));
  WL_RETURN_IF_ERROR((invoice.paid_from ? balance : receivable).Add(lines));
  add(PrepaidAccount(invoice.tenant), balance);
  add(ReceivableAccount(invoice.tenant), receivable);
  return transfer;
}

absl::StatusOr<FinalInvoice> FinalInvoice::Close(Invoice draft, int64_t now_us) {
  const int64_t from_us = draft.month.end_us() + kInvoiceGraceUs;
  if (now_us < from_us) {
    return absl::FailedPreconditionError(absl::StrCat("invoice ", draft.id, " is a draft until ",
                                                      InstantText(from_us),
                                                      ": late records may still come"));
  }
  FinalInvoice closed;
  closed.text_ = InvoiceText(draft);
  WL_ASSIGN_OR_RETURN(closed.transfer_, ClosingTransfer(draft, now_us));
  closed.invoice_ = std::move(draft);
  return closed;
}

absl::StatusOr<Transfer> CreditTransfer(const CreditNote& note, const Invoice& invoice,
                                        const Plan& plan, Cents credited_before) {
  const auto wrong = [&note](std::string_view what) {
    return absl::InvalidArgumentError(
        absl::StrCat("credit note ", note.id, ": ", std::string(what)));
  };
  if (note.invoice != invoice.id || note.tenant != invoice.tenant) {
    return wrong("is not for this invoice and tenant");
  }
  if (note.reason.empty()) return wrong("needs a reason");
  if (note.amount <= Cents()) return wrong("its amount must be above 0");
  if (note.amount > invoice.total - credited_before) {
    return wrong(absl::StrCat("at most ", FormatCents(invoice.total - credited_before),
                              " are left of the invoice"));
  }
  WL_ASSIGN_OR_RETURN(const Money amount, Money::FromCents(note.amount));
  return Transfer{.id = absl::StrCat("credit:", note.id),
                  .at_us = note.at_us,
                  .entries = {{std::string(kCreditAccount), amount},
                              {PayerAccount(note.tenant, plan), -amount}}};
}

}  // namespace waferline::billing
