#include "server/billing/verify.h"

#include <catch2/catch.hpp>

#include "tests/unit/server/billing/random_usage.h"

namespace waferline::billing {
namespace {

struct Ledger {
  PriceBook book = ParsePriceBook("p.yaml", kMixedBook).value();
  LedgerContents contents;

  const Plan& PlanOf(std::string_view name) const {
    return *book.versions[0].PlanNamed(name).value();
  }
  void Post(const UsageRecord& record) {
    const Charge charge = Rate(book, record).value();
    contents.usage.push_back({.record = record, .charge = CountedCost(book, record).value()});
    if (auto transfer = UsageTransfer(record, PlanOf(record.plan), charge)) {
      contents.transfers.push_back(*transfer);
    }
  }
  void Close(const std::string& plan, Month month, const std::vector<UsageRecord>& records) {
    const std::string tenant = absl::StrCat("t-", plan);
    const int64_t now = month.end_us() + kInvoiceGraceUs;
    const FinalInvoice closed =
        FinalInvoice::Close(DraftInvoice(book, {tenant, plan, month, records}).value(), now)
            .value();
    if (!closed.transfer().entries.empty()) contents.transfers.push_back(closed.transfer());
    StoredInvoice stored{tenant, plan, month, now, closed.text(), {}};
    for (const UsageRecord& record : records) stored.usage_ids.push_back(record.id);
    contents.invoices.push_back(stored);
  }
  // Two months of four plans, closed, and one open record.
  explicit Ledger(uint64_t seed = 5) {
    SeededStream random(seed);
    for (const char* plan : {"", "prepaid", "capacity", "enterprise"}) {
      for (const Month month : {Month{2026, 5}, Month{2026, 6}}) {
        const std::vector<UsageRecord> records = RandomUsage(&random, plan, month, 25);
        for (const UsageRecord& record : records) Post(record);
        Close(plan, month, records);
      }
    }
    contents.usage.push_back({.record = {.id = "7.open.0"}, .open = true});
    contents.transfers.push_back(
        TopUpTransfer("1", "t-prepaid", Money::Parse("10").value(), 0).value());
    contents.paid_in["t-prepaid"] = Money::Parse("10").value();
    contents.hours = SumByHour(contents.usage).value();
    contents.accounts = SumAccounts(book, contents).value();
  }
  std::string FirstDifference() const {
    const LedgerReport report = VerifyLedger(book, contents);
    return report.clean() ? "" : report.differences.front();
  }
};

TEST_CASE_METHOD(Ledger, "an honest ledger verifies") {
  const LedgerReport report = VerifyLedger(book, contents);
  INFO(FirstDifference());
  CHECK(report.clean());
  CHECK(report.records == 201);
  CHECK(report.open == 1);
  CHECK(report.posted + report.interrupted == 200);
  CHECK(report.interrupted > 0);
  CHECK(report.invoices == 8);
  CHECK(report.duplicates == 0);
  CHECK(report.hours_checked == static_cast<int64_t>(contents.hours.size()));
}

TEST_CASE_METHOD(Ledger, "which of a tenant's accounts has an older invoice's rounding is free") {
  for (Transfer& transfer : contents.transfers) {
    if (transfer.id != "invoice:t-prepaid:2026-06") continue;
    Money part = Money::FromPico(7);
    transfer.entries.push_back({"tenant:t-prepaid:receivable", part});
    REQUIRE(transfer.entries[1].account == "tenant:t-prepaid:prepaid");
    REQUIRE(transfer.entries[1].amount.Subtract(part).ok());
    contents.accounts = SumAccounts(book, contents).value();
    CHECK(FirstDifference() == "");
    transfer.entries.back().account = "tenant:t-capacity:receivable";
    CHECK(FirstDifference().find("other entries than its cause") != std::string::npos);
  }
}

TEST_CASE_METHOD(Ledger, "an older invoice's text need not say what the balance paid") {
  for (StoredInvoice& invoice : contents.invoices) {
    const size_t at = invoice.text.find("\"from_balance_usd\"");
    CHECK((at != std::string::npos) == (invoice.plan == "prepaid"));
    if (invoice.plan != "prepaid") continue;
    invoice.text.erase(at, invoice.text.find(',', at) + 1 - at);
  }
  CHECK(FirstDifference() == "");
}

TEST_CASE_METHOD(Ledger, "one flipped digit anywhere is found") {
  SeededStream random(9);
  const auto one = Money::FromPico(1);
  for (int round = 0; round < 200; ++round) {
    Ledger flipped(5);
    LedgerContents& c = flipped.contents;
    const size_t u = random.Next() % (c.usage.size() - 1);
    const size_t t = random.Next() % (c.transfers.size() - 1);
    const size_t h = random.Next() % c.hours.size();
    const size_t i = random.Next() % c.invoices.size();
    const size_t a = random.Next() % c.accounts.size();
    const int what = round % 12;
    INFO("round " << round << ", kind " << what);
    switch (what) {
      case 0:
        REQUIRE(c.usage[u].charge.Add(one).ok());
        break;
      case 1:
        if (c.usage[u].record.end == UsageEnd::kInterrupted) continue;  // in no sum
        ++c.usage[u].record.generated_tokens;
        break;
      case 2:
        REQUIRE(c.transfers[t].entries[0].amount.Add(one).ok());
        break;
      case 3:
        c.transfers[t].entries[0].account += "x";
        break;
      case 4:
        c.hours[h].prompt_tokens += 1;
        break;
      case 5:
        c.hours.erase(c.hours.begin() + static_cast<std::ptrdiff_t>(h));
        break;
      case 6:
        c.invoices[i].text[c.invoices[i].text.find("total_usd") + 12] ^= 1;
        break;
      case 7:
        c.invoices[i].usage_ids.pop_back();
        break;
      case 8:
        c.transfers.erase(c.transfers.begin() + static_cast<std::ptrdiff_t>(t));
        break;
      case 9:
        REQUIRE(c.accounts[a].spent.Add(one).ok());
        break;
      case 10:
        c.accounts[a].held_micro += 1;
        break;
      case 11:
        REQUIRE(c.paid_in["t-prepaid"].Add(one).ok());
        break;
    }
    CHECK_FALSE(VerifyLedger(flipped.book, c).clean());
  }
}

TEST_CASE_METHOD(Ledger, "what appears again, or has no cause, is named") {
  contents.transfers.push_back(contents.transfers.front());
  CHECK(FirstDifference() == "transfer " + contents.transfers.front().id + " appears again");
  contents.transfers.back().id = "usage:7.unknown.0";
  CHECK(FirstDifference() == "transfer usage:7.unknown.0 has no cause");
  contents.transfers.pop_back();
  contents.usage.push_back(contents.usage.front());
  CHECK(VerifyLedger(book, contents).duplicates == 1);
  contents.usage.pop_back();
  contents.invoices.push_back(contents.invoices.front());
  CHECK(FirstDifference() ==
        "usage " + contents.invoices.front().usage_ids.front() + " is invoiced again");
}

TEST_CASE_METHOD(Ledger,
                 "a payment that quota and ledger do not agree on is named, and the way out") {
  contents.paid_in["t-prepaid"] = Money::Parse("7.5").value();
  CHECK(FirstDifference() ==
        "tenant t-prepaid has paid in 7.50 by its quota, and 10.00 by the ledger: 'waferctl quotas "
        "set --tenant t-prepaid --prepaid-usd ALL', all that it has really paid in, makes both "
        "that");
  contents.paid_in.erase("t-prepaid");
  CHECK(FirstDifference().starts_with("tenant t-prepaid has paid in 0.00 by its quota, and 10.00"));
  contents.paid_in = {{"t-prepaid", *Money::Parse("10")}, {"t-", *Money::Parse("1")}};
  CHECK(FirstDifference().starts_with("tenant t- has paid in 1.00 by its quota, and 0.00"));
}

TEST_CASE("transfers are checked") {
  CHECK(CheckBalanced({"a", 0, {{"x", Money::FromPico(1)}}}).message() ==
        "transfer a has fewer than two entries");
  CHECK(CheckBalanced({"a", 0, {{"x", Money::FromPico(1)}, {"y", Money::FromPico(2)}}}).message() ==
        "transfer a sums to 0.000000000003, not to 0");
  const Transfer topup = TopUpTransfer("1", "t", Money::Parse("10").value(), 5).value();
  const Transfer undone = ReversalOf(topup, 6);
  CHECK(CheckBalanced(undone).ok());
  const auto balances = BalancesOf(std::vector{topup, undone}).value();
  CHECK(balances.size() == 2);
  for (const auto& [account, amount] : balances) CHECK(amount.IsZero());
  CHECK_FALSE(TopUpTransfer("1", "t", Money(), 5).ok());
}

}  // namespace
}  // namespace waferline::billing
