// Invoices and the ledger in a real store, fed by the meter.
#include "server/accounts/invoice_tables.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <utility>

#include "server/accounts/account_tables.h"
#include "server/accounts/billing_text.h"
#include "server/accounts/books.h"
#include "server/accounts/ledger_tables.h"
#include "server/accounts/price_books.h"
#include "server/billing/price_book_reader.h"
#include "server/metering/store_meter.h"
#include "server/metering/usage_batch.h"
#include "tests/unit/server/store/temporary_store.h"
#include "wafer_backend/base/calendar.h"
#include "wafer_backend/base/seeded_stream.h"

namespace waferline::accounts {
namespace {

constexpr char kBook[] =
    "currency: USD\n"
    "versions:\n"
    "  - effective: 2026-01-01T00:00:00Z\n"
    "    models:\n"
    "      - {name: m, input: '2.5', cached_input: '0.25', output: '15'}\n"
    "      - {name: '*', system_second: '0.01'}\n"
    "    plans:\n"
    "      - {name: prepaid, prepaid: true}\n"
    "      - {name: hours, bill: compute_time}\n"
    "      - {name: promised, service: {availability: 0.9, cap_share: 0.5}}\n";
const Month kMonth{2026, 9};
const int64_t kGraceOver = kMonth.end_us() + billing::kInvoiceGraceUs;

Nanoseconds Now() {
  return Nanoseconds(std::chrono::steady_clock::now().time_since_epoch().count());
}

// A server's life on a store, its wall clock at `at_us`.
struct World {
  World() : store(store::OpenStore(folder.Url(), store::Durability::kProcess).value()) {
    connection = store->Connect().value();
    REQUIRE(AdoptPriceBook(*connection, book, kMonth.begin_us()).ok());
  }

  // So many answers of the tenant, each of 1,000 prompt tokens, 300 of them cached, and 500.
  void Serve(const std::string& tenant, int answers, int64_t at_us, const std::string& plan = "",
             store::Store* through = nullptr) {
    const metering::StoreMeter::Options options{.host = "here",
                                                .patience = Seconds(60),
                                                .now = Now,
                                                .unix_us = [at_us] { return at_us; },
                                                .prices = &book,
                                                .show_cost = true};
    auto meter = metering::StoreMeter::Start(through == nullptr ? store.get() : through, options);
    while (!meter.ok()) meter = metering::StoreMeter::Start(through, options);
    std::vector<ValidRequest> one(1);
    one[0].prompt = std::make_shared<const std::vector<TokenId>>(1000, 7);
    for (int i = 0; i < answers; ++i) {
      const auto usage = (*meter)
                             ->Admit({.subject = {.tenant = tenant,
                                                  .plan = plan,
                                                  .model = "m",
                                                  .tier = "default",
                                                  .endpoint = "test"},
                                      .choices = one})
                             .value();
      usage->Open(nullptr);
      const Outcome outcome{.reason = FinishReason::kStop,
                            .prompt_tokens = 1000,
                            .cached_tokens = 300,
                            .generated_tokens = 500,
                            .compute = {.wafer_ns = 1'500'000'000, .microjoules = 7}};
      usage->Post(0, outcome, [](const absl::Status&) {});
      cost = usage->CostText();
    }
    REQUIRE((*meter)->Stop());
  }

  template <typename Work>
  auto Do(Work work) {
    REQUIRE(connection->Begin().ok());
    auto answer = work(*connection);
    if (answer.ok()) {
      REQUIRE(connection->Commit().ok());
    } else {
      connection->Rollback();
    }
    return answer;
  }
  absl::StatusOr<KeptInvoice> Close(const InvoiceName& name, int64_t now_us) {
    return Do([&](auto& db) { return CloseInvoice(db, book, name, now_us); });
  }
  absl::StatusOr<KeptInvoice> Credit(const InvoiceName& name, billing::CreditNote note) {
    return Do([&](auto& db) { return CreditInvoice(db, book, name, note); });
  }
  std::string Differences() {
    const auto report = VerifyStore(*connection, book);
    INFO(report.status());
    REQUIRE(report.ok());
    return report->clean() ? "" : report->differences.front();
  }
  Money Balance(const std::string& account) {
    const std::vector<accounts::Balance> all = ReadBalances(*connection).value();
    for (const accounts::Balance& one : all) {
      if (one.account == account) return one.amount;
    }
    return {};
  }

  billing::PriceBook book = billing::ParsePriceBook("prices.yaml", kBook).value();
  store::TemporaryFolder folder;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<store::Connection> connection;
  std::string cost;
};

const InvoiceName kAcme{"acme", kMonth};

}  // namespace

TEST_CASE_METHOD(World, "1,000 prompt tokens of which 300 are cached, and 500: $0.009325") {
  Serve("acme", 1, kMonth.begin_us());
  CHECK(cost == "0.009325");
  CHECK(Balance("tenant:acme:receivable").FormatPico() == "9325000000");
  CHECK(Balance("revenue:m:output").FormatPico() == "-7500000000");
  CHECK(Differences().empty());
  const KeptInvoice draft = FindInvoice(*connection, book, kAcme).value();
  CHECK(draft.state.closed_us == 0);
  CHECK(draft.text.find("\"exact_usd\":\"0.009325\"") != std::string::npos);
}

TEST_CASE_METHOD(World, "a draft becomes final after its grace time, once, and never changes") {
  Serve("acme", 100, kMonth.end_us() - 1);
  Serve("acme", 1, kMonth.end_us());  // the next month's
  CHECK(absl::IsFailedPrecondition(Close(kAcme, kGraceOver - 1).status()));
  const KeptInvoice closed = Close(kAcme, kGraceOver).value();
  CHECK(FormatCents(closed.state.total) == "0.93");
  CHECK(Balance("rounding").FormatPico() == "2500000000");
  CHECK(Differences().empty());
  // Late records are on the next one, under their own month.
  Serve("acme", 2, kMonth.end_us() - 1);
  CHECK(Close(kAcme, kGraceOver + 5).value().text == closed.text);
  CHECK(FindInvoice(*connection, book, kAcme).value().text == closed.text);
  const InvoiceName next{"acme", kMonth + 1};
  const KeptInvoice late = FindInvoice(*connection, book, next).value();
  CHECK(late.text.find("\"records\":3") != std::string::npos);
  CHECK(late.text.find("\"period\":\"2026-09\"") != std::string::npos);
  const std::vector<InvoiceState> all = ListInvoices(*connection, book).value();
  REQUIRE(all.size() == 2);
  CHECK(all[0].name.Text() == "acme:2026-09");
  CHECK(all[1].name.Text() == "acme:2026-10");
  CHECK(all[1].closed_us == 0);
  CHECK(Close(next, next.month.end_us() + billing::kInvoiceGraceUs).ok());
  CHECK(Differences().empty());
}

TEST_CASE_METHOD(World, "an error names the invoice as the command line does") {
  Serve("", 1, kMonth.begin_us());
  for (const std::string tenant : {"", "acme"}) {
    const InvoiceName name{tenant, kMonth};
    if (!tenant.empty()) Serve(tenant, 1, kMonth.begin_us());
    CHECK(Close(name, kMonth.end_us()).status().message().find("invoice " + name.Text() + " is") ==
          0);
  }
}

TEST_CASE_METHOD(World, "only a final total is rounded: a draft's export is its records' cost") {
  Serve("acme", 1, kMonth.begin_us());
  const auto focus = [&] {
    return ExportInvoice(*connection, book, kAcme, ExportFormat::kFocus).value();
  };
  CHECK(focus().find("rounding") == std::string::npos);
  REQUIRE(Close(kAcme, kGraceOver).ok());
  CHECK(focus().find("rounding") != std::string::npos);
}

TEST_CASE_METHOD(World, "months are closed in their order") {
  Serve("acme", 1, kMonth.begin_us());
  Serve("acme", 1, kMonth.end_us());
  const InvoiceName next{"acme", kMonth + 1};
  const auto early = Close(next, next.month.end_us() + billing::kInvoiceGraceUs);
  CHECK(early.status().message() ==
        "invoice acme:2026-09 has records and is not a final one yet: close it first");
}

TEST_CASE_METHOD(World, "each record is on one invoice only, whatever months are open") {
  const auto records = [this](int months) {
    const std::string text = FindInvoice(*connection, book, {"acme", kMonth + months}).value().text;
    const size_t at = text.find("\"records\":") + 10;
    return std::stoi(text.substr(at));
  };
  Serve("acme", 1, kMonth.begin_us());
  Serve("acme", 2, kMonth.end_us());
  CHECK(records(0) == 1);
  CHECK(records(1) == 2);
  CHECK(records(2) == 0);
  REQUIRE(Close(kAcme, kGraceOver).ok());
  const int64_t later = (kMonth + 3).end_us() + billing::kInvoiceGraceUs;
  REQUIRE(Close({"acme", kMonth + 1}, later).ok());
  Serve("acme", 1, kMonth.end_us());  // late
  CHECK(Close({"acme", kMonth + 3}, later).status().message() ==
        "invoice acme:2026-11 has records and is not a final one yet: close it first");
  CHECK(records(2) == 1);
  CHECK(records(3) == 0);
  REQUIRE(Close({"acme", kMonth + 2}, later).ok());
  // A month that had no use when a later one was closed stays without.
  Serve("other", 1, kMonth.end_us());
  REQUIRE(Close({"other", kMonth + 1}, later).ok());
  Serve("other", 1, kMonth.begin_us());
  const KeptInvoice empty = Close({"other", kMonth}, later).value();
  CHECK(empty.text.find("\"records\":0") != std::string::npos);
  const KeptInvoice next = FindInvoice(*connection, book, {"other", kMonth + 2}).value();
  CHECK(next.text.find("\"records\":1") != std::string::npos);
  CHECK(Differences().empty());
}

TEST_CASE_METHOD(World, "credit notes are entries, count once, and never pass the total") {
  Serve("acme", 100, kMonth.begin_us());
  CHECK(absl::IsNotFound(Credit(kAcme, {.id = "n1", .amount = Cents(1), .reason = "r"}).status()));
  REQUIRE(Close(kAcme, kGraceOver).ok());
  for (int again = 0; again < 3; ++again) {
    const auto credited =
        Credit(kAcme, {.id = "n1", .amount = Cents(43), .reason = "outage", .at_us = kGraceOver});
    REQUIRE(credited.ok());
    CHECK(credited->state.credited == Cents(43));
  }
  CHECK(absl::IsAlreadyExists(
      Credit(kAcme, {.id = "n1", .amount = Cents(44), .reason = "outage"}).status()));
  const auto over = Credit(kAcme, {.id = "n2", .amount = Cents(51), .reason = "r"});
  CHECK(over.status().message() == "credit note n2: at most 0.50 are left of the invoice");
  CHECK(Balance("credits").FormatPico() == "430000000000");
  CHECK(Balance("tenant:acme:receivable").FormatPico() == "500000000000");
  CHECK(Differences().empty());
}

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
  Serve("timer", 3, kMonth.begin_us(), "hours");
  const KeptInvoice hours = Close({"timer", kMonth}, kGraceOver).value();
  CHECK(hours.text.find("\"exact_usd\":\"0.045\"") != std::string::npos);
  CHECK(Differences().empty());
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
  CHECK(closed.state.total.count() == 13);
  CHECK(Balance("credits") == *Money::Parse("0.01492"));
  CHECK(Balance("tenant:acme:receivable").RoundedToCents().count() == 13 + 4);
}

TEST_CASE_METHOD(
    World, "lost acknowledgements, refused commits and broken connections give the same invoice") {
  Serve("acme", 40, kMonth.begin_us());
  const std::string expected = FindInvoice(*connection, book, kAcme).value().text;
  for (uint64_t seed = 1; seed < 5; ++seed) {
    World other;
    store::FaultyStore faulty(other.store.get(),
                              {.lost = 0.3, .refused = 0.3, .broken = 0.05, .seed = seed});
    other.Serve("acme", 40, kMonth.begin_us(), "", &faulty);
    CHECK(faulty.lost + faulty.refused + faulty.broken > 0);
    CHECK(FindInvoice(*other.connection, other.book, kAcme).value().text == expected);
    CHECK(other.Differences().empty());
  }
}

TEST_CASE("each post written 1 to 3 times, in any order and grouping, gives the same invoice") {
  const auto post = [](const World& world, int64_t ordinal) {
    metering::OpenUsage open{.id = {.epoch = 1, .ordinal = ordinal},
                             .subject = {.tenant = "acme", .model = "m", .tier = "default"},
                             .admitted_us = kMonth.begin_us() + ordinal};
    metering::EndedUsage end{.reason = "stop",
                             .counts = {.prompt = ordinal, .generated = 7 * ordinal},
                             .ended_us = kMonth.begin_us() + 1'000'000'000 * ordinal};
    const auto rated = billing::RateForLedger(world.book, metering::RecordOf(open, end)).value();
    end.charge = rated.charge.total;
    if (rated.transfer) end.entries = rated.transfer->entries;
    return std::pair(open, end);
  };
  std::string expected;
  int refused = 0;
  for (uint64_t seed = 1; seed < 8; ++seed) {
    INFO("seed " << seed);
    World world;
    SeededStream random(seed);
    std::vector<int64_t> order;
    for (int64_t ordinal = 1; ordinal <= 60; ++ordinal) {
      order.insert(order.end(), seed == 1 ? 1 : 1 + random.Next() % 3, ordinal);
    }
    for (size_t i = order.size(); seed > 1 && i > 1; --i) {
      std::swap(order[i - 1], order[random.Next() % i]);
    }
    for (size_t i = 0; i < order.size();) {
      metering::UsageBatch batch;
      for (size_t group = 1 + random.Next() % 40; group > 0 && i < order.size(); --group, ++i) {
        const auto [open, end] = post(world, order[i]);
        if (random.Next() % 2 == 0) batch.Open(open);
        batch.Post(open, end);
      }
      using Steps = metering::UsageBatch::Steps;
      const auto write = [&](Steps steps) {
        return world.Do([&](auto& db) {
          const auto last = batch.Write(db, steps, 1);
          return last.ok() ? db.RunAll(*last).status() : last.status();
        });
      };
      absl::Status written = write(random.Next() % 4 > 0 ? Steps::kAtOnce : Steps::kOneByOne);
      if (!written.ok()) {
        ++refused;
        written = write(Steps::kOneByOne);
      }
      REQUIRE(written.ok());
    }
    const std::string text = FindInvoice(*world.connection, world.book, kAcme).value().text;
    if (seed == 1) expected = text;
    CHECK(text == expected);
    CHECK(world.Differences().empty());
  }
  CHECK(refused > 0);
}

TEST_CASE_METHOD(World, "one flipped digit in any table is found") {
  Serve("acme", 3, kMonth.begin_us());
  REQUIRE(Close(kAcme, kGraceOver).ok());
  REQUIRE(Differences().empty());
  const char* const flips[] = {
      "UPDATE usage SET charge_pico = charge_pico + 1 WHERE ordinal = 2",
      "UPDATE usage SET generated = generated + 1 WHERE ordinal = 2",
      "UPDATE usage SET invoice = 0 WHERE ordinal = 2",
      "UPDATE usage_hour SET cached = cached + 1",
      "UPDATE usage_hour SET requests = requests + 1",
      "UPDATE usage_hour SET records = records + 1",
      "UPDATE account SET spent_micro = spent_micro + 1 WHERE period = 0",
      "UPDATE account SET held_micro = 1 WHERE period = 0",
      "UPDATE entry SET pico = pico + 1 WHERE transfer = 'usage:1.2.0' AND line = 0",
      "DELETE FROM entry WHERE transfer = 'invoice:acme:2026-09'",
      "UPDATE invoice SET text = replace(text, '0.03', '0.04')"};
  for (const char* flip : flips) {
    INFO(flip);
    REQUIRE(connection->Begin().ok());
    const auto changed = connection->Run(flip, {});
    REQUIRE(changed.ok());
    REQUIRE(changed->changed > 0);
    const auto contents = ReadLedger(*connection);
    REQUIRE(contents.ok());
    CHECK_FALSE(VerifyLedger(book, *contents).clean());
    connection->Rollback();
  }
  CHECK(Differences().empty());
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
