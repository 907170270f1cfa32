// What invoices have due, against what the ledger says that the tenant owes.
#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/accounts/account_tables.h"
#include "server/accounts/billing_text.h"
#include "server/accounts/quota_tables.h"
#include "tests/unit/server/accounts/invoice_world.h"
#include "wafer_backend/base/seeded_stream.h"

namespace waferline::accounts {
namespace {

namespace json = boost::json;

// "turning" is prepaid from the middle of the month on; "late" is not there before.
constexpr char kMorePlans[] =
    "      - {name: steps, volume: [{up_to: '0.02', off: '0'}, {off: '0.125'}]}\n"
    "      - {name: paid_steps, prepaid: true, volume: [{up_to: '0.02', off: '0'}, {off: "
    "'0.5'}]}\n";
constexpr char kTurning[] = "      - {name: turning, volume: [{off: '0.1'}]}\n";
constexpr char kTurned[] =
    "      - {name: turning, prepaid: true, volume: [{off: '0.1'}]}\n"
    "      - {name: late, volume: [{off: '0.1'}]}\n";

Money Usd(const KeptInvoice& kept, const char* field) {
  const json::value text = json::parse(KeptInvoiceText(kept));
  CHECK(FormatCents(AmountDue(kept)) == text.at("due_usd").as_string().c_str());
  return Money::Parse(std::string(text.at(field).as_string())).value();
}

struct DueWorld : World {
  DueWorld() {
    const std::string before = absl::StrCat(kBook, kMorePlans);
    std::string after = before.substr(before.find("  - effective"));
    after.replace(after.find("2026-01-01"), 10, "2026-09-15");
    book =
        billing::ParsePriceBook("p.yaml", absl::StrCat(before, kTurning, after, kTurned)).value();
    REQUIRE(AdoptPriceBook(*connection, book, kMonth.begin_us()).ok());
  }
};

}  // namespace

TEST_CASE("what a tenant owes by the ledger is what its invoices have due, whatever its plans") {
  const auto seed = static_cast<uint64_t>(GENERATE(range(1, 25)));
  SeededStream random(seed);
  const auto draw = [&](uint64_t below) { return static_cast<int64_t>(random.Next() % below); };
  DueWorld world;
  std::string steps;
  Money due;
  int64_t paid_us = 0;
  for (Month month = kMonth; month < kMonth + 3; month = month + 1) {
    const InvoiceName name{"acme", month};
    for (int64_t day = draw(6); day < 30; day += 1 + draw(12)) {
      static constexpr const char* kPlans[] = {"",      "prepaid",    "hours",   "paid_hours",
                                               "steps", "paid_steps", "turning", "late"};
      const std::string plan = kPlans[draw(day > 15 || month > kMonth ? 8 : 7)];
      REQUIRE(AddTenant(*world.connection, {"acme", plan, 1}).ok());
      if (draw(2) == 0) {  // paid in, or back, whatever is left
        REQUIRE(SetQuota(*world.connection,
                         {.tenant = "acme", .prepaid_micro = draw(5) * draw(60'000)}, ++paid_us)
                    .ok());
      }
      world.Serve("acme", static_cast<int>(1 + draw(3)),
                  month.begin_us() + day * kMicrosecondsPerDay, plan);
      absl::StrAppend(&steps, " ", day, ":'", plan, "'");
    }
    INFO("seed " << seed << ":" << steps);
    const KeptInvoice draft = FindInvoice(*world.connection, world.book, name).value();
    const KeptInvoice closed = world.Close(name, month.end_us() + billing::kInvoiceGraceUs).value();
    CHECK(Usd(closed, "due_usd") == Usd(draft, "due_usd"));
    REQUIRE(due.Add(Usd(closed, "due_usd")).ok());
    CHECK(world.Balance("tenant:acme:receivable").Format() == due.Format());
    CHECK(world.Balance("tenant:acme:prepaid").RoundedToCents() <= Cents());
    CHECK(world.Differences() == "");
  }
}

TEST_CASE_METHOD(DueWorld, "what a balance is below zero is due on the first invoice") {
  REQUIRE(AddTenant(*connection, {"acme", "prepaid", 1}).ok());
  REQUIRE(SetQuota(*connection, {.tenant = "acme", .prepaid_micro = 20'000}, 1).ok());
  Serve("acme", 2, kMonth.begin_us(), "prepaid");
  Serve("acme", 2, kMonth.end_us(), "prepaid");
  REQUIRE(SetQuota(*connection, {.tenant = "acme", .prepaid_micro = 0}, 2).ok());
  CHECK(Balance("tenant:acme:prepaid").Format() == "0.0373");
  const InvoiceName next{"acme", kMonth + 1};
  const auto due = [this](const InvoiceName& name) {
    return Usd(FindInvoice(*connection, book, name).value(), "due_usd").Format();
  };
  CHECK(due(kAcme) == "0.04");
  CHECK(due(next) == "0.00");
  REQUIRE(Close(kAcme, kGraceOver).ok());
  for (const int64_t paid : {0, 500'000}) {  // what is paid in later is for what comes later
    REQUIRE(SetQuota(*connection, {.tenant = "acme", .prepaid_micro = paid}, 3).ok());
    CHECK(due(kAcme) == "0.04");
    CHECK(due(next) == "0.00");
    CHECK(Balance("tenant:acme:receivable").Format() == "0.04");
    CHECK(Differences() == "");
  }
}

}  // namespace waferline::accounts
