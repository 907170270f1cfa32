#include "server/accounts/billing_text.h"

#include <boost/json.hpp>

#include "wafer_backend/base/calendar.h"

namespace waferline::accounts {
namespace {

namespace json = boost::json;

json::object HeadOf(const InvoiceState& state) {
  const bool is_final = state.closed_us != 0;
  json::object out{{"id", state.name.Text()},
                   {"tenant", state.name.tenant},
                   {"month", state.name.month.Text()},
                   {"status", is_final ? "final" : "draft"}};
  out["closed_at"] =
      is_final ? json::value(state.closed_us / kMicrosecondsPerSecond) : json::value();
  return out;
}

// What a balance paid of it. Texts of before have it only where it is neither all nor nothing.
Money FromBalance(const InvoiceState& state, const json::object& invoice) {
  if (const json::value* const taken = invoice.if_contains("from_balance_usd")) {
    return taken->is_string() ? Money::Parse(taken->get_string().c_str()).value_or(Money())
                              : Money();
  }
  return invoice.contains("paid_from") ? state.exact : Money();
}

struct Dues {
  bool prepaid = false;
  Money from_balance;
  Cents due;
};

// `invoice` is the kept text's; one that is damaged is no object.
Dues DuesOf(const KeptInvoice& kept, const json::value& invoice) {
  const json::object fields = invoice.is_object() ? invoice.get_object() : json::object();
  Dues dues{.prepaid = fields.contains("paid_from"),
            .from_balance = FromBalance(kept.state, fields),
            .due = kept.overdraft};
  Money rest = kept.state.exact;
  (void)rest.Subtract(dues.from_balance);  // which was in range as a part of it
  dues.due = dues.due + rest.RoundedToCents();
  if (!dues.prepaid) dues.due = dues.due - kept.state.credited;  // else to the balance
  return dues;
}

}  // namespace

Cents AmountDue(const KeptInvoice& kept) {
  boost::system::error_code error;
  return DuesOf(kept, json::parse(kept.text, error)).due;
}

std::string InvoicesText(const std::vector<InvoiceState>& invoices) {
  json::array list;
  for (const InvoiceState& state : invoices) {
    json::object one = HeadOf(state);
    one["total_usd"] = state.has_total ? json::value(FormatCents(state.total)) : json::value();
    one["exact_usd"] = state.has_total ? json::value(state.exact.Format()) : json::value();
    one["credited_usd"] = FormatCents(state.credited);
    list.push_back(std::move(one));
  }
  return json::serialize(json::object{{"invoices", std::move(list)}});
}

std::string KeptInvoiceText(const KeptInvoice& kept) {
  json::object out = HeadOf(kept.state);
  json::array notes;
  for (const billing::CreditNote& note : kept.credits) {
    notes.push_back(json::object{{"id", note.id},
                                 {"amount_usd", FormatCents(note.amount)},
                                 {"reason", note.reason},
                                 {"created_at", note.at_us / kMicrosecondsPerSecond}});
  }
  out["total_usd"] = FormatCents(kept.state.total);
  out["exact_usd"] = kept.state.exact.Format();
  out["credited_usd"] = FormatCents(kept.state.credited);
  out["credit_notes"] = std::move(notes);
  boost::system::error_code error;
  json::value invoice = json::parse(kept.text, error);
  const Dues dues = DuesOf(kept, invoice);
  if (dues.prepaid || !dues.from_balance.IsZero()) {
    out["from_balance_usd"] = dues.from_balance.Format();
  }
  out["due_usd"] = FormatCents(dues.due);
  if (kept.overdraft != Cents()) out["overdraft_usd"] = FormatCents(kept.overdraft);
  if (error) invoice = kept.text;  // damaged: the ledger's check says so
  out["invoice"] = std::move(invoice);
  return json::serialize(out);
}

std::string LedgerReportText(const billing::LedgerReport& report) {
  json::array differences;
  for (const std::string& one : report.differences) differences.emplace_back(one);
  return json::serialize(json::object{{"records", report.records},
                                      {"open", report.open},
                                      {"posted", report.posted},
                                      {"interrupted", report.interrupted},
                                      {"unconfirmed", report.unconfirmed},
                                      {"duplicates", report.duplicates},
                                      {"hours_checked", report.hours_checked},
                                      {"transfers", report.transfers},
                                      {"unbalanced", report.unbalanced},
                                      {"invoices", report.invoices},
                                      {"losses", report.losses},
                                      {"differences_found", report.differences_found},
                                      {"differences", std::move(differences)}});
}

std::string BalancesText(const std::vector<Balance>& balances) {
  json::array list;
  Money sum;
  for (const Balance& balance : balances) {
    list.push_back(
        json::object{{"account", balance.account}, {"debit_usd", balance.amount.Format()}});
    (void)sum.Add(balance.amount);  // each was read within the range
  }
  return json::serialize(json::object{{"balances", std::move(list)}, {"sum_usd", sum.Format()}});
}

}  // namespace waferline::accounts
