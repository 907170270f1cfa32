#include "server/billing/invoice.h"

#include <catch2/catch.hpp>
#include <numeric>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "server/billing/usage_export.h"
#include "tests/unit/server/billing/random_usage.h"

namespace waferline::billing {
namespace {

const Month kJune{2026, 6};

struct Books {
  PriceBook book = ParsePriceBook("p.yaml", kMixedBook).value();
  const Plan& PlanOf(std::string_view name) const {
    return *book.versions[0].PlanNamed(name).value();
  }
};

UsageRecord Small(std::string plan, int64_t prompt, int64_t cached, int64_t generated) {
  return {.id = "1.1.0",
          .tenant = "t",
          .plan = std::move(plan),
          .model = "small",
          .admitted_us = kJune.begin_us(),
          .ended_us = kJune.begin_us(),
          .prompt_tokens = prompt,
          .cached_tokens = cached,
          .generated_tokens = generated};
}

const InvoiceLine* Find(const Invoice& invoice, Item item) {
  for (const InvoiceLine& line : invoice.lines) {
    if (line.item == item) return &line;
  }
  return nullptr;
}

TEST_CASE_METHOD(Books, "an invoice's total is its exact sum, rounded once, half to even") {
  std::vector<UsageRecord> records = {Small("", 0, 0, 20'000)};  // 20,000 x 0.75 = $0.015
  Invoice invoice = DraftInvoice(book, {"t", "", kJune, records}).value();
  CHECK(invoice.exact.Format() == "0.015");
  CHECK(invoice.total.count() == 2);
  CHECK(invoice.rounding.Format() == "0.005");
  // Ten answers of $0.0015 each are $0.02, not ten times nothing.
  records.assign(10, Small("", 0, 0, 2000));
  for (size_t i = 0; i < records.size(); ++i) records[i].id = absl::StrCat("1.", i, ".0");
  invoice = DraftInvoice(book, {"t", "", kJune, records}).value();
  CHECK(invoice.total.count() == 2);
  REQUIRE(invoice.lines.size() == 1);
  CHECK(invoice.lines[0].quantity == 20'000);
  CHECK(
      InvoiceText(invoice) ==
      R"({"invoice":"t:2026-06","tenant":"t","plan":"","month":"2026-06","records":10,"lines":[{"period":"2026-06","project":"","model":"small","item":"output","tier":"default","quantity":20000,"unit_picodollars":750000,"amount_usd":"0.015"}],"exact_usd":"0.015","rounding_usd":"0.005","total_usd":"0.02"})"
      "\n");
}

TEST_CASE_METHOD(Books,
                 "graduated volume: each slice at its own step, to the picodollar at the edge") {
  const auto discount = [&](int64_t output_tokens) {
    std::vector<UsageRecord> records = {Small("enterprise", 0, 0, output_tokens)};
    records[0].served = Tier::kBatch;  // never covered by the reservation
    const Invoice invoice = DraftInvoice(book, {"t", "enterprise", kJune, records}).value();
    Money off;
    for (const InvoiceLine& line : invoice.lines) {
      if (line.item == Item::kVolumeDiscount) REQUIRE(off.Subtract(line.amount).ok());
    }
    return off.Format();
  };
  CHECK(discount(666'666) == "0.00");             // $0.4999995
  CHECK(discount(666'667) == "0.0000000125");     // $0.50000025: 0.00000025 at 5 %
  CHECK(discount(2'666'667) == "0.07500003125");  // 1.50 at 5 %, 0.00000025 at 12.5 %
}

TEST_CASE_METHOD(Books, "a reservation covers a minute's tokens, prompts first; the rest is paid") {
  std::vector<UsageRecord> records(3, Small("enterprise", 2000, 500, 400));
  for (size_t i = 0; i < 3; ++i) records[i].id = absl::StrCat("1.", i, ".0");
  records[2].served = Tier::kFlex;
  const Invoice invoice = DraftInvoice(book, {"t", "enterprise", kJune, records}).value();
  // 3,000 a minute: all 2,400 tokens of the first, 600 fresh prompt tokens of the second.
  int64_t covered = 0;
  Money relief;
  for (const InvoiceLine& line : invoice.lines) {
    if (line.item != Item::kReservedCover) continue;
    covered -= line.quantity;
    REQUIRE(relief.Subtract(line.amount).ok());
  }
  CHECK(covered == 3000);
  // (1,500 + 600) x 0.35 + 500 x 0.035 + 400 x 0.75
  CHECK(relief.Format() == "0.0010525");
  const InvoiceLine* fee = Find(invoice, Item::kReservedFee);
  REQUIRE(fee != nullptr);
  CHECK(fee->quantity == 30 * 24 * 60);
  CHECK(fee->amount.Format() == "4.32");
}

TEST_CASE_METHOD(Books, "compute time is divided once, not once a record") {
  std::vector<UsageRecord> records(1000, Small("capacity", 10, 0, 10));
  for (size_t i = 0; i < records.size(); ++i) {
    records[i].id = absl::StrCat("1.", i, ".0");
    records[i].system_ns = 1;
  }
  const Invoice invoice = DraftInvoice(book, {"t", "capacity", kJune, records}).value();
  REQUIRE(invoice.lines.size() == 1);
  CHECK(invoice.lines[0].quantity == 1000);
  CHECK(invoice.lines[0].amount.FormatPico() == "11660");  // 1 us at $0.01166 a second
}

TEST_CASE("system time draws down what a contract commits to, and the rest is billed as unused") {
  const PriceBook book = ParsePriceBook("p.yaml", R"(
currency: USD
versions:
  - effective: 2026-01-01
    models: [{name: small, input: "1", output: "1", system_second: "0.01"}]
    plans: [{name: capacity, bill: compute_time, contract: openai-750mw}]
)")
                             .value();
  const Commitment* june = nullptr;
  for (const Commitment& it : book.versions[0].plans[0].committed) {
    if (it.month == kJune) june = &it;
  }
  REQUIRE(june != nullptr);
  const auto invoice_of = [&](int64_t system_seconds) {
    std::vector<UsageRecord> records(1, Small("capacity", 10, 0, 10));
    records[0].system_ns = system_seconds * 1'000'000'000;
    return DraftInvoice(book, {"t", "capacity", kJune, records}).value();
  };
  // Below, at and above the commitment of June 2026.
  const int64_t all_seconds = june->minimum.RoundedToCents().count();  // at a cent a second
  for (const int64_t seconds : {int64_t{1000}, all_seconds, all_seconds + 5}) {
    const Invoice invoice = invoice_of(seconds);
    CHECK(invoice.committed == june->minimum);
    CHECK(invoice.total.count() == std::max(all_seconds, seconds));
    const InvoiceLine* const unused = Find(invoice, Item::kUnusedCommitment);
    CHECK((unused != nullptr) == (seconds < all_seconds));
    const FinalInvoice closed =
        FinalInvoice::Close(invoice, kJune.end_us() + kInvoiceGraceUs).value();
    Money sum;
    for (const LedgerEntry& entry : closed.transfer().entries) REQUIRE(sum.Add(entry.amount).ok());
    CHECK(sum.IsZero());
  }
  CHECK(ParsePriceBook("p.yaml", R"(
currency: USD
versions:
  - effective: 2026-01-01
    models: [{name: small, input: "1", output: "1"}]
    plans: [{name: capacity, contract: openai-750mw}]
)")
            .status()
            .message()
            .find("the plan needs bill: compute_time") != std::string::npos);
}

TEST_CASE("a month that misses its availability is credited, and the ledger balances") {
  const PriceBook book = ParsePriceBook("p.yaml", R"(
currency: USD
versions:
  - effective: 2026-01-01
    models: [{name: small, input: "1000", output: "1000", system_second: "0.01"}]
    plans:
      - {name: web, service: {availability: 0.99, cap_share: 0.15}}
      - {name: capacity, bill: compute_time, contract: openai-750mw}
)")
                             .value();
  // 1,000 requests of $0.10, of which so many failed; those are free.
  const auto invoice_of = [&](int failed, int64_t interrupted) {
    std::vector<UsageRecord> records(1000, Small("web", 50, 0, 50));
    for (size_t i = 0; i < records.size(); ++i) records[i].id = absl::StrCat("1.", i, ".0");
    for (int i = 0; i < failed; ++i) records[static_cast<size_t>(i)].end = UsageEnd::kFailed;
    return DraftInvoice(book, {"t", "web", kJune, records, interrupted}).value();
  };
  CHECK(Find(invoice_of(10, 0), Item::kServiceCredit) == nullptr);  // 0.99 is kept
  // 20 of 1,000 failed: the 0.01 below the promise, of the $98 that is billed.
  const Invoice missed = invoice_of(20, 0);
  REQUIRE(Find(missed, Item::kServiceCredit) != nullptr);
  CHECK(Find(missed, Item::kServiceCredit)->amount.Format() == "-0.98");
  CHECK(missed.total.count() == 97'02);
  CHECK(InvoiceText(missed).find(R"("service":{"promised":"0.99","requests":1000,"failed":20})") !=
        std::string::npos);
  CHECK(FocusRowsOf(missed).find("service_credit") != std::string::npos);
  CHECK(Find(invoice_of(0, 250), Item::kServiceCredit)->amount.Format() == "-15.00");  // the cap
  const FinalInvoice closed = FinalInvoice::Close(missed, kJune.end_us() + kInvoiceGraceUs).value();
  CHECK(CheckBalanced(closed.transfer()).ok());
  CHECK(closed.transfer().entries[0] == LedgerEntry{"credits", *Money::Parse("0.98")});
  // By contract it is a share of what is committed, whatever was used.
  std::vector<UsageRecord> half(2, Small("capacity", 1, 0, 1));
  half[0].end = UsageEnd::kFailed;
  half[1].id = "1.2.0";
  const Invoice deal = DraftInvoice(book, {"t", "capacity", kJune, half}).value();
  Money cap = *deal.committed;
  cap = cap.Fraction(15, 100).value();
  CHECK(Find(deal, Item::kServiceCredit)->amount == -cap);
}

TEST_CASE_METHOD(Books, "records that do not belong on the invoice are refused") {
  std::vector<UsageRecord> records(2, Small("", 1, 0, 1));
  CHECK(DraftInvoice(book, {"t", "", kJune, records}).status().message() ==
        "usage 1.1.0 is given twice");
  records.resize(1);
  CHECK(DraftInvoice(book, {"u", "", kJune, records}).status().message() ==
        "usage 1.1.0 is another tenant's");
  CHECK(DraftInvoice(book, {"t", "", kJune + -1, records}).status().message() ==
        "usage 1.1.0 ended after the month");
  CHECK(DraftInvoice(book, {"t", "", kJune + 1, records}).ok());  // a late one, under its own month
  CHECK(DraftInvoice(book, {"t", "enterprize", kJune, records})
            .status()
            .message()
            .find("did you mean 'enterprise'?") != std::string::npos);
}

TEST_CASE_METHOD(Books,
                 "an invoice is final after its grace time, and credited at most once over") {
  std::vector<UsageRecord> records = {Small("", 0, 0, 2'000'000)};
  const Invoice draft = DraftInvoice(book, {"t", "", kJune, records}).value();
  const int64_t from = kJune.end_us() + kInvoiceGraceUs;
  CHECK(FinalInvoice::Close(draft, from - 1).status().message() ==
        "invoice t:2026-06 is a draft until 2026-07-04T00:00:00Z: late records may still come");
  CHECK(FinalInvoice::Close(draft, from).ok());

  CreditNote note{
      .id = "c1", .invoice = "t:2026-06", .tenant = "t", .amount = Cents(100), .reason = "outage"};
  const Transfer credit = CreditTransfer(note, draft, PlanOf(""), Cents(50)).value();
  CHECK(CheckBalanced(credit).ok());
  CHECK(CreditTransfer(note, draft, PlanOf(""), Cents(51)).status().message() ==
        "credit note c1: at most 0.99 are left of the invoice");
  note.reason = "";
  CHECK_FALSE(CreditTransfer(note, draft, PlanOf(""), Cents()).ok());
  note.reason = "outage";
  note.amount = Cents();
  CHECK_FALSE(CreditTransfer(note, draft, PlanOf(""), Cents()).ok());
}

TEST_CASE_METHOD(Books, "laws of invoices over random months") {
  SeededStream random(20260630);
  for (int round = 0; round < 60; ++round) {
    for (const char* name : {"", "prepaid", "capacity", "enterprise"}) {
      std::vector<UsageRecord> records = RandomUsage(&random, name, kJune, 40);
      const std::string tenant = absl::StrCat("t-", name);
      const Invoice invoice = DraftInvoice(book, {tenant, name, kJune, records}).value();
      INFO("round " << round << ", plan " << name << "\n" << InvoiceText(invoice));

      std::vector<UsageRecord> shuffled = records;
      Shuffle(&random, &shuffled);
      REQUIRE(InvoiceText(DraftInvoice(book, {tenant, name, kJune, shuffled}).value()) ==
              InvoiceText(invoice));

      // After closing, the tenant owes exactly the invoice's cents, and all accounts sum to zero.
      std::vector<Transfer> ledger;
      std::string focus;
      for (const UsageRecord& record : records) {
        const Charge charge = Rate(book, record).value();
        if (auto transfer = UsageTransfer(record, PlanOf(name), charge))
          ledger.push_back(*transfer);
        focus += FocusRowsOf(book, record).value();
      }
      const FinalInvoice closed =
          FinalInvoice::Close(invoice, kJune.end_us() + kInvoiceGraceUs).value();
      if (!closed.transfer().entries.empty()) ledger.push_back(closed.transfer());
      Money all;
      for (const Transfer& transfer : ledger) REQUIRE(CheckBalanced(transfer).ok());
      auto balances = BalancesOf(ledger).value();
      for (const auto& [account, amount] : balances) REQUIRE(all.Add(amount).ok());
      REQUIRE(all.IsZero());
      REQUIRE(balances[PayerAccount(tenant, PlanOf(name))] ==
              Money::FromCents(invoice.total).value());

      // So does the export.
      Money billed;
      focus += FocusRowsOf(invoice);
      for (const auto row : absl::StrSplit(focus, "\r\n", absl::SkipEmpty())) {
        REQUIRE(billed.Add(Money::Parse({row.data(), row.find(',')}).value()).ok());
      }
      REQUIRE(billed.RoundedToCents() == invoice.total);
      REQUIRE(Money::FromCents(invoice.total).value() == billed);
    }
  }
}

}  // namespace
}  // namespace waferline::billing
