// What a month as a whole adds to an invoice: reservations, volume steps, commitments,
// credits.
#include <algorithm>
#include <map>

#include "server/billing/invoice.h"
#include "server/contracts/service_credit.h"
#include "wafer_backend/base/status.h"

namespace waferline::billing {
namespace {

constexpr int64_t kThousand = 1000;

bool MayBeCovered(const Reservation& reserved, const InvoiceInput& input,
                  const UsageRecord& record) {
  return record.model == reserved.model &&
         (record.served == Tier::kDefault || record.served == Tier::kPriority) &&
         MonthOf(record.ended_us) == input.month;
}

// By admission; the id decides between records of one microsecond.
std::vector<const UsageRecord*> InOrder(const Reservation& reserved, const InvoiceInput& input) {
  std::vector<const UsageRecord*> records;
  for (const UsageRecord& record : input.records) {
    if (MayBeCovered(reserved, input, record)) records.push_back(&record);
  }
  std::sort(records.begin(), records.end(), [](const UsageRecord* a, const UsageRecord* b) {
    return std::tie(a->admitted_us, a->id) < std::tie(b->admitted_us, b->id);
  });
  return records;
}

// Takes a minute's tokens for the record's: its prompt first, its output last.
absl::Status Cover(const PriceBook& book, const UsageRecord& record, int64_t* left,
                   std::vector<InvoiceLine>* lines) {
  WL_ASSIGN_OR_RETURN(const Charge charge, RateOrFree(book, record));
  for (const ChargeLine& part : charge.lines) {
    const int64_t covered = std::min(*left, part.quantity);
    if (covered == 0) continue;
    *left -= covered;
    lines->push_back({.period = MonthOf(record.ended_us),
                      .project = record.project,
                      .model = record.model,
                      .item = Item::kReservedCover,
                      .tier = record.served,
                      .price = part.price,
                      .quantity = -covered});
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status AddReservations(const Plan& plan, const PriceBook& book, const InvoiceInput& input,
                             std::vector<InvoiceLine>* lines) {
  for (const Reservation& reserved : plan.reserved) {
    std::map<int64_t, int64_t> left;  // of each minute
    for (const UsageRecord* record : InOrder(reserved, input)) {
      const int64_t minute = record->admitted_us / kMicrosecondsPerMinute;
      int64_t& tokens = left.try_emplace(minute, reserved.tokens_per_minute).first->second;
      WL_RETURN_IF_ERROR(Cover(book, *record, &tokens, lines));
    }
    const int64_t minutes =
        (input.month.end_us() - input.month.begin_us()) / kMicrosecondsPerMinute;
    lines->push_back({.period = input.month,
                      .model = reserved.model,
                      .item = Item::kReservedFee,
                      .price = reserved.per_minute,
                      .quantity = minutes});
  }
  return absl::OkStatus();
}

absl::Status AddVolumeDiscounts(const Plan& plan, const InvoiceInput& input,
                                std::vector<InvoiceLine>* lines) {
  Money spent;
  for (const InvoiceLine& line : *lines) {
    if (line.item != Item::kReservedFee) WL_RETURN_IF_ERROR(spent.Add(line.amount));
  }
  Money from;
  for (const VolumeStep& step : plan.volume) {
    Money slice = std::min(step.up_to.value_or(spent), spent);
    if (slice <= from) break;
    const Money until = slice;
    WL_RETURN_IF_ERROR(slice.Subtract(from));
    from = until;
    WL_ASSIGN_OR_RETURN(const Money off, slice.Fraction(step.off.thousandths(), kThousand));
    if (off.IsZero()) continue;
    lines->push_back({.period = input.month, .item = Item::kVolumeDiscount, .amount = -off});
  }
  return absl::OkStatus();
}

// All of the invoice's system time counts, that of earlier months which came late too.
absl::Status DrawDownCommitment(const Plan& plan, Invoice* invoice) {
  for (const Commitment& commitment : plan.committed) {
    if (commitment.month != invoice->month) continue;
    Money used;
    for (const InvoiceLine& line : invoice->lines) {
      if (line.item == Item::kSystemTime) WL_RETURN_IF_ERROR(used.Add(line.amount));
    }
    invoice->committed = commitment.minimum;
    Money unused = commitment.minimum;
    WL_RETURN_IF_ERROR(unused.Subtract(used));
    if (unused <= Money()) return absl::OkStatus();
    invoice->lines.push_back(
        {.period = invoice->month, .item = Item::kUnusedCommitment, .amount = unused});
  }
  return absl::OkStatus();
}

// Of what is committed, or without a contract of what is billed; records that came late count where
// they are billed.
absl::Status AddServiceCredit(const Plan& plan, const InvoiceInput& input, Invoice* invoice) {
  const auto requests = static_cast<int64_t>(input.records.size()) + input.interrupted;
  if (!plan.service || requests == 0) return absl::OkStatus();
  const auto failed = input.interrupted + std::count_if(input.records.begin(), input.records.end(),
                                                        [](const UsageRecord& record) {
                                                          return !IsCharged(record.end);
                                                        });
  invoice->service = {plan.service->availability, requests, failed};
  contracts::CreditBase base;
  for (const InvoiceLine& line : invoice->lines) {
    WL_RETURN_IF_ERROR(base.billed.Add(line.amount));
  }
  base.committed = invoice->committed.value_or(base.billed);
  WL_ASSIGN_OR_RETURN(const Money credit,
                      contracts::ServiceCredit(*plan.service, {requests - failed, requests}, base));
  if (credit.IsZero()) return absl::OkStatus();
  invoice->lines.push_back(
      {.period = invoice->month, .item = Item::kServiceCredit, .amount = -credit});
  return absl::OkStatus();
}

}  // namespace waferline::billing
