// What plans, promises and price books make of recorded usage.
#include <catch2/catch.hpp>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/accounts/account_tables.h"
#include "server/accounts/billing_text.h"
#include "server/accounts/quota_tables.h"
#include "server/accounts/usage_query.h"
#include "tests/unit/server/accounts/invoice_world.h"

namespace waferline::accounts {

TEST_CASE_METHOD(World, "plans: a prepaid balance is paid in and used; compute time is one sum") {
  REQUIRE(AddTenant(*connection, {"payer", "prepaid", 1}).ok());
  REQUIRE(AddTenant(*connection, {"timer", "hours", 1}).ok());
  for (int again = 0; again < 2; ++again) {
    REQUIRE(SetQuota(*connection, {.tenant = "payer", .prepaid_micro = 5'000'000}, 7).ok());
  }
  REQUIRE(SetQuota(*connection, {.tenant = "payer", .prepaid_micro = 4'000'000}, 8).ok());
  Serve("payer", 1, kMonth.begin_us(), "prepaid");
  CHECK(Balance("tenant:payer:prepaid").Format() == "-3.990675");
  CHECK(Balance("cash").Format() == "4.00");
  const KeptInvoice paid = FindInvoice(*connection, book, {"payer", kMonth}).value();
  CHECK(paid.text.find(R"("paid_from":"tenant:payer:prepaid")") != std::string::npos);
  CHECK(paid.state.total.count() == 1);
  CHECK(KeptInvoiceText(paid).find(R"("due_usd":"0.00")") != std::string::npos);
  for (const std::string& text : {paid.text, KeptInvoiceText(paid)}) {
    CHECK(text.find(R"("from_balance_usd":"0.009325")") != std::string::npos);
  }
  Serve("timer", 3, kMonth.begin_us(), "hours");
  const KeptInvoice hours = Close({"timer", kMonth}, kGraceOver).value();
  CHECK(hours.text.find("\"exact_usd\":\"0.045\"") != std::string::npos);
  CHECK(Differences().empty());
}

TEST_CASE_METHOD(World, "of a month under two plans what was not taken from the balance is due") {
  const bool prepaid_last = GENERATE(true, false);
  for (const bool prepaid : {!prepaid_last, prepaid_last}) {
    REQUIRE(AddTenant(*connection, {"acme", prepaid ? "prepaid" : "", 1}).ok());
    if (prepaid) {
      REQUIRE(SetQuota(*connection, {.tenant = "acme", .prepaid_micro = 5'000'000}, 7).ok());
    }
    Serve("acme", prepaid ? 1 : 3, kMonth.begin_us(), prepaid ? "prepaid" : "");
  }
  for (const bool closed : {false, true}) {
    const KeptInvoice kept =
        closed ? Close(kAcme, kGraceOver).value() : FindInvoice(*connection, book, kAcme).value();
    CHECK(kept.state.total.count() == 4);  // $0.0373
    CHECK(kept.text.find(R"("from_balance_usd":"0.009325")") != std::string::npos);
    CHECK(KeptInvoiceText(kept).find(R"("due_usd":"0.03")") != std::string::npos);
  }
  CHECK(Balance("tenant:acme:receivable").Format() == "0.03");
  CHECK(Differences().empty());
  REQUIRE(Credit(kAcme, {.id = "n", .amount = Cents(1), .reason = "outage", .at_us = 1}).ok());
  const std::string text = KeptInvoiceText(FindInvoice(*connection, book, kAcme).value());
  CHECK(text.find(prepaid_last ? R"("due_usd":"0.03")" : R"("due_usd":"0.02")") != text.npos);
}

TEST_CASE_METHOD(World, "the costs of usage are the invoice's lines, under each plan") {
  book =
      billing::ParsePriceBook(
          "prices.yaml", absl::StrCat(kBook,
                                      "      - {name: reserved, volume: [{off: '0.1'}], reserved: "
                                      "[{model: m, tokens_per_minute: 9, per_minute: '0.01'}]}\n"))
          .value();
  constexpr int kAnswers = 5;
  for (const std::string plan : {"", "prepaid", "hours", "paid_hours", "promised", "reserved"}) {
    INFO(plan);
    const std::string tenant = "t-" + plan;
    REQUIRE(AddTenant(*connection, {tenant, plan, 1}).ok());
    for (int day = 0; day < 2; ++day) {
      Serve(tenant, kAnswers, kMonth.begin_us() + day * kMicrosecondsPerDay, plan);
      CHECK(cost != "0.00");
    }
    const auto records = UnbilledRecords(*connection, tenant, kMonth.end_us()).value();
    const billing::Invoice invoice =
        billing::DraftInvoice(book, {tenant, plan, kMonth, records}).value();
    Money used;
    for (const billing::InvoiceLine& line : invoice.lines) {
      if (line.item <= billing::Item::kSystemTime) REQUIRE(used.Add(line.amount).ok());
    }
    CHECK(!used.IsZero());
    for (const int64_t width : {kMicrosecondsPerMinute, kMicrosecondsPerDay}) {
      UsageQuery query{.start_us = kMonth.begin_us(),
                       .end_us = kMonth.begin_us() + 2 * kMicrosecondsPerDay,
                       .width_us = width,
                       .buckets = 2 * kMicrosecondsPerDay / width};
      query.only[static_cast<size_t>(UsageBy::kTenant)] = {tenant};
      Money costs;
      const std::vector<UsageBucket> buckets = QueryUsage(*connection, query).value();
      for (const UsageBucket& bucket : buckets) {
        for (const UsageSums& sums : bucket.sums) {
          REQUIRE(costs
                      .Add(*Money::FromColumns(
                          {sums.charge_micro, static_cast<int32_t>(sums.charge_pico)}))
                      .ok());
        }
      }
      CHECK(costs == used);  // the time of each is whole picodollars here
    }
  }
}

TEST_CASE_METHOD(World, "payments at one instant are all booked") {
  REQUIRE(AddTenant(*connection, {"payer", "prepaid", 1}).ok());
  for (const int64_t micro : {1'000, 5'000, 2'000, 0, 5'000, 1'000, 4'000}) {
    REQUIRE(SetQuota(*connection, {.tenant = "payer", .prepaid_micro = micro}, 7).ok());
    CHECK(Balance("cash").ToColumns().micro == micro);
    CHECK(Differences() == "");
  }
}

TEST_CASE_METHOD(World, "a quota that is refused moves no money and no share") {
  REQUIRE(AddTenant(*connection, {"gone", "", 1}).ok());
  REQUIRE(SetQuota(*connection,
                   {.tenant = "gone", .prepaid_micro = 3'000'000, .shares = {{"a", 500}}}, 7)
              .ok());
  REQUIRE(DisableTenant(*connection, "gone", 8).ok());
  const auto kept = [&] {
    return std::pair(Balance("cash"), ListQuotas(*connection).value().at(0).shares);
  };
  const auto before = kept();
  for (const char* tenant : {"gone", "ghost"}) {
    CHECK(absl::IsNotFound(
        SetQuota(*connection,
                 {.tenant = tenant, .prepaid_micro = 10'000'000, .shares = {{"b", 250}}}, 9)
            .status()));
  }
  CHECK(kept() == before);
  const auto remove = [&](const char* tenant) {
    return SetQuota(*connection, {.tenant = tenant, .prepaid_micro = {}}, 9).status();
  };
  CHECK(absl::IsNotFound(remove("ghost")));
  CHECK(remove("gone").ok());
  CHECK(before.first.Format() == "3.00");
}

TEST_CASE_METHOD(World, "requests that failed or were cut off are credited on the invoice") {
  REQUIRE(AddTenant(*connection, {"acme", "promised", kMonth.begin_us()}).ok());
  Serve("acme", 20, kMonth.begin_us(), "promised");
  REQUIRE(connection
              ->Run("UPDATE usage SET status = 'interrupted', reason = 'server', charge_micro = 0, "
                    "charge_pico = 0 WHERE ordinal IN (SELECT ordinal FROM usage ORDER BY ordinal "
                    "LIMIT 4)",
                    {})
              .ok());
  // 16 answers of $0.009325; 4 of 20 are missing, 0.1 more than the plan allows.
  const KeptInvoice draft = FindInvoice(*connection, book, kAcme).value();
  CHECK(draft.text.find(R"("service":{"promised":"0.9","requests":20,"failed":4})") !=
        std::string::npos);
  CHECK(draft.text.find(R"("item":"service_credit","amount_usd":"-0.01492")") != std::string::npos);
  const KeptInvoice closed = Close(kAcme, kGraceOver).value();
  CHECK(closed.text == draft.text);
  const billing::LedgerReport report = VerifyStore(*connection, book).value();
  for (const std::string& one : report.differences) {
    CHECK(one.find("invoice") == one.npos);  // the records were changed by hand, their sums not
  }
  CHECK(closed.state.total.count() == 13);
  CHECK(Balance("credits") == *Money::Parse("0.01492"));
  CHECK(Balance("tenant:acme:receivable").RoundedToCents().count() == 13 + 4);
}

TEST_CASE_METHOD(World, "a price book that would re-price recorded usage is refused") {
  Serve("acme", 1, kMonth.begin_us() + 5'000'000);
  const auto adopt = [&](const std::string& text) {
    return AdoptPriceBook(*connection, billing::ParsePriceBook("new.yaml", text).value(),
                          kMonth.end_us());
  };
  std::string raised = kBook;
  raised.replace(raised.find("'15'"), 4, "'16'");
  CHECK(adopt(raised).message() ==
        "new.yaml: the version that is effective 2026-01-01T00:00:00Z is not what it was, and "
        "usage up to 2026-09-01T00:00:05Z is recorded: what was used keeps its price; add a "
        "version that is effective later");
  REQUIRE(connection->Run("UPDATE usage SET status = 'open', ended_us = 0", {}).ok());
  CHECK_FALSE(adopt(raised).ok());  // as a killed server leaves one
  REQUIRE(connection->Run("UPDATE usage SET status = 'posted', ended_us = admitted_us", {}).ok());
  std::string later = raised.substr(raised.find("  - effective"));
  later.replace(later.find("2026-01-01"), 10, "2026-09-02");
  CHECK(adopt(kBook + later).ok());
  CHECK(StoredPriceBook(*connection)->versions.size() == 2);
  REQUIRE(AddTenant(*connection, {"payer", "prepaid", 1}).ok());
  std::string without = kBook;
  without.replace(without.find("name: prepaid"), 13, "name: another");
  CHECK_FALSE(adopt(without + later).ok());
}

}  // namespace waferline::accounts
