// A tenant's invoice of a month: a draft while late records may come, then final and never changed.
// Pure functions of records and prices: the same records, in any order, give the same invoice byte
// for byte. Any thread.
//
// Lines are exact; the total, and what of it is due, are rounded once, half to even, to cents, and
// the difference is an entry of the account "rounding". A record that comes after its month's
// invoice is final is on the next one, under its own month.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/billing/price_book.h"
#include "server/billing/transfer.h"
#include "server/billing/usage_record.h"
#include "server/money/money.h"
#include "wafer_backend/base/calendar.h"

namespace waferline::billing {

// From a month's end until its invoice may be final.
inline constexpr int64_t kInvoiceGraceUs = 72 * kMicrosecondsPerHour;

enum class Item : uint8_t {
  kInput,
  kCachedInput,
  kOutput,
  kSystemTime,        // plans that bill compute time: one sum, divided once
  kReservedFee,       // every minute of the month
  kReservedCover,     // tokens that the reservation covers: negative
  kVolumeDiscount,    // a step of the plan's volume: negative
  kUnusedCommitment,  // what the month's system time is below the contract's minimum
  kServiceCredit,     // for requests that failed, beyond what the plan allows: negative
};
// Of the month as a whole: no model, tier or quantity.
constexpr bool IsOfMonth(Item item) { return item >= Item::kVolumeDiscount; }
std::string_view Name(Item item);

struct InvoiceLine {
  Month period;  // in which the usage ended
  std::string project;
  std::string model;
  Item item = Item::kInput;
  Tier tier = Tier::kDefault;
  UnitPrice price;       // of a token, a system-second, a minute
  int64_t quantity = 0;  // tokens, system-nanoseconds, minutes; 0 if IsOfMonth
  Money amount;
};

// How the month's requests went, where the plan promises an availability: the share of requests
// that neither failed on our side nor were interrupted.
struct ServiceLevel {
  Multiplier promised;
  int64_t requests = 0;
  int64_t failed = 0;
};

struct Invoice {
  std::string id;  // "TENANT:2026-06"; "no-tenant:2026-06"
  std::string tenant;
  std::string plan;
  // Where the plan is prepaid as the month begins: its balance, which pays what the month as a
  // whole adds.
  std::optional<std::string> paid_from;
  Money from_balance;  // what of `exact` a balance pays: under prepaid plans, if the plan changed
  Month month;
  int64_t records = 0;                  // all, those that cost nothing too
  std::vector<InvoiceLine> lines;       // by period, project, model, item, tier, price
  std::optional<Money> committed;       // the month's, where the plan has a contract
  std::optional<ServiceLevel> service;  // where the plan promises one and there were requests
  Money exact;                          // the lines' sum
  Cents total;
  Money rounding;  // total - exact
  // Of the total, what the balance does not pay: rounded by itself. Less than zero if what the
  // month as a whole takes off is more than what was not paid from the balance.
  Cents due;
};

struct InvoiceInput {
  std::string tenant;
  std::string plan;
  Month month;
  // Of this tenant, ended before the month's end, on no earlier invoice; in any order.
  std::span<const UsageRecord> records;
  int64_t interrupted = 0;  // of the month's requests, which are not records of an invoice
};

// The plan as it is when the month begins, or as the first prices have it that name it later.
// NotFound: none does.
absl::StatusOr<const Plan*> PlanOfMonth(const PriceBook& book, std::string_view plan, Month month);

// InvalidArgument: a record of another tenant, from after the month, or given twice; else as Rate.
absl::StatusOr<Invoice> DraftInvoice(const PriceBook& book, const InvoiceInput& input);

// Canonical JSON: what is kept of a final invoice, and compared.
std::string InvoiceText(const Invoice& invoice);
// Its `exact`. Of a text that was damaged, nothing: the ledger's check says so.
Money ExactOf(const std::string& invoice_text);

// "invoice:TENANT:2026-06": what the records' own transfers do not contain: system time,
// reservations, discounts, rounding. Without entries if there is nothing of it.
absl::StatusOr<Transfer> ClosingTransfer(const Invoice& invoice, int64_t at_us);

// An invoice that is final. There is no way to change one.
class FinalInvoice {
 public:
  // FailedPrecondition: the month's end and the grace time are not over at `now_us`.
  static absl::StatusOr<FinalInvoice> Close(Invoice draft, int64_t now_us);

  const Invoice& invoice() const { return invoice_; }
  const std::string& text() const { return text_; }
  const Transfer& transfer() const { return transfer_; }

 private:
  FinalInvoice() = default;
  Invoice invoice_;
  std::string text_;
  Transfer transfer_;
};

// Money back, after an invoice is final.
struct CreditNote {
  std::string id;
  std::string invoice;
  std::string tenant;
  Cents amount;
  std::string reason;
  int64_t at_us = 0;
};
// "credit:ID". InvalidArgument: not above 0, without a reason, of another tenant's invoice, or more
// than the invoice's total less what was credited before.
absl::StatusOr<Transfer> CreditTransfer(const CreditNote& note, const Invoice& invoice,
                                        const Plan& plan, Cents credited_before);

// For DraftInvoice: the lines of reservations, volume steps, commitments and credits
// (invoice_adjustments.cc).
absl::Status AddReservations(const Plan& plan, const PriceBook& book, const InvoiceInput& input,
                             std::vector<InvoiceLine>* lines);
absl::Status AddVolumeDiscounts(const Plan& plan, const InvoiceInput& input,
                                std::vector<InvoiceLine>* lines);
absl::Status DrawDownCommitment(const Plan& plan, Invoice* invoice);
absl::Status AddServiceCredit(const Plan& plan, const InvoiceInput& input, Invoice* invoice);

}  // namespace waferline::billing
