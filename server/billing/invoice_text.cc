// An invoice as JSON: fields in one fixed order, amounts as exact decimal text.
#include <boost/json.hpp>

#include "server/billing/invoice.h"

namespace waferline::billing {
namespace {

namespace json = boost::json;

json::object LineJson(const InvoiceLine& line) {
  json::object out{{"period", line.period.Text()},
                   {"project", line.project},
                   {"model", line.model},
                   {"item", std::string(Name(line.item))}};
  if (line.item != Item::kVolumeDiscount) {
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
  return json::serialize(json::object{{"invoice", invoice.id},
                                      {"tenant", invoice.tenant},
                                      {"plan", invoice.plan},
                                      {"month", invoice.month.Text()},
                                      {"records", invoice.records},
                                      {"lines", std::move(lines)},
                                      {"exact_usd", invoice.exact.Format()},
                                      {"rounding_usd", invoice.rounding.Format()},
                                      {"total_usd", FormatCents(invoice.total)}}) +
         "\n";
}

}  // namespace waferline::billing
