// Invoices in a real store, fed by the meter: drafts, months, credit notes.
#include "server/accounts/invoice_tables.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/unit/server/accounts/invoice_world.h"

namespace waferline::accounts {

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

TEST_CASE_METHOD(World,
                 "an invoice without a tenant is named in its text; older texts still count") {
  Serve("", 1, kMonth.begin_us());
  const KeptInvoice closed = Close({"", kMonth}, kGraceOver).value();
  CHECK(closed.text.find(R"("invoice":"no-tenant:2026-09","tenant":"")") != std::string::npos);
  CHECK(Differences().empty());
  REQUIRE(connection->Run("UPDATE invoice SET text = replace(text, 'no-tenant:', ':')", {}).ok());
  CHECK(Differences().empty());
  REQUIRE(
      connection->Run("UPDATE invoice SET text = replace(text, '\":2026', '\":2025')", {}).ok());
  CHECK(Differences() == "invoice no-tenant:2026-09 is not what its records give");
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

}  // namespace waferline::accounts
