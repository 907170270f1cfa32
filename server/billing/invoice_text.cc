// An invoice as JSON: fields in one fixed order, amounts as exact decimal text.
#include <boost/json.hpp>
#include <string_view>

#include "server/billing/invoice.h"

namespace waferline::billing {
namespace {

namespace json = boost::json;

json::object LineJson(const InvoiceLine& line) {
  json::object out{{"period", line.period.Text()},
                   {"project", line.project},
                   {"model", line.model},
                   {"item", std::string(Name(line.item))}};
  if (!IsOfMonth(line.item)) {
    out["tier"] = std::string(Name(line.tier));
    out["quantity"] = line.quantity;
    out["unit_picodollars"] = line.price.pico();
  }
  out["amount_usd"] = line.amount.Format();
  return out;
}

}  // namespace

std::string InvoiceText(const Invoice& invoice) {
  json::array lines;
  for (const InvoiceLine& line : invoice.lines) lines.push_back(LineJson(line));
  json::object out{{"invoice", invoice.id},
                   {"tenant", invoice.tenant},
                   {"plan", invoice.plan},
                   {"month", invoice.month.Text()},
                   {"records", invoice.records}};
  if (invoice.paid_from) out["paid_from"] = *invoice.paid_from;
  if (invoice.paid_from || !invoice.from_balance.IsZero()) {
    out["from_balance_usd"] = invoice.from_balance.Format();
  }
  if (invoice.committed) out["committed_usd"] = invoice.committed->Format();
  if (invoice.service) {
    out["service"] = json::object{{"promised", invoice.service->promised.Format()},
                                  {"requests", invoice.service->requests},
                                  {"failed", invoice.service->failed}};
  }
  out["lines"] = std::move(lines);
  out["exact_usd"] = invoice.exact.Format();
  out["rounding_usd"] = invoice.rounding.Format();
  out["total_usd"] = FormatCents(invoice.total);
  return json::serialize(out) + "\n";
}

Money ExactOf(const std::string& invoice_text) {
  constexpr std::string_view kField = "\"exact_usd\":\"";
  const size_t at = invoice_text.rfind(kField);
  if (at == invoice_text.npos) return {};
  const size_t begin = at + kField.size();
  const std::string amount = invoice_text.substr(begin, invoice_text.find('"', begin) - begin);
  return Money::Parse(amount).value_or(Money());
}

}  // namespace waferline::billing
