// Rows of FOCUS 1.3: https://focus.finops.org/focus-specification/v1-3/. Periods end exclusively.
#include <array>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "server/billing/rating.h"
#include "server/billing/usage_export.h"
#include "server/money/decimal.h"
#include "wafer_backend/base/calendar.h"
#include "wafer_backend/base/status.h"

namespace waferline::billing {
namespace {

// What differs between rows; the order of FocusHeader is that of LineOf.
struct FocusRow {
  std::string tenant, project, model, item, tier, usage_id;
  std::string category = "Usage";
  int64_t begin_us = 0;
  int64_t end_us = 0;
  Month billing;
  std::string unit;      // "" without a quantity
  std::string quantity;  // in that unit
  UnitPrice price;
  Money amount;
};

std::string Quoted(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == text.npos) return text;
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

std::string LineOf(const FocusRow& row) {
  const std::string amount = row.amount.Format();
  const std::string price = row.unit.empty() ? "" : row.price.FormatPerUnit();
  const std::array<std::string, 26> cells = {
      amount,  // BilledCost, EffectiveCost, ListCost, ContractedCost
      amount,
      amount,
      amount,
      "USD",
      row.tenant,
      row.project,
      row.category,
      row.model.empty() ? row.item : absl::StrJoin({row.item, row.model, row.tier}, " "),
      InstantText(row.begin_us),
      InstantText(row.end_us),
      InstantText(row.billing.begin_us()),
      InstantText(row.billing.end_us()),
      row.category == "Usage" ? row.quantity : "",  // ConsumedQuantity
      row.category == "Usage" ? row.unit : "",
      row.quantity,
      row.unit,
      price,  // ListUnitPrice, ContractedUnitPrice
      price,
      "AI and Machine Learning",
      "Token inference",
      "Waferline",
      row.model,
      row.model.empty() ? row.item : absl::StrCat(row.model, ":", row.item, ":", row.tier),
      row.tier,
      row.usage_id,
  };
  return absl::StrJoin(
             cells, ",",
             [](std::string* out, const std::string& cell) { out->append(Quoted(cell)); }) +
         "\r\n";
}

// Rows of whole seconds: the end is after the last one touched.
int64_t SecondAfter(int64_t instant_us) {
  return (instant_us / kMicrosecondsPerSecond + 1) * kMicrosecondsPerSecond;
}

}  // namespace

std::string FocusHeader() {
  return "BilledCost,EffectiveCost,ListCost,ContractedCost,BillingCurrency,BillingAccountId,"
         "SubAccountId,ChargeCategory,ChargeDescription,ChargePeriodStart,ChargePeriodEnd,"
         "BillingPeriodStart,BillingPeriodEnd,ConsumedQuantity,ConsumedUnit,PricingQuantity,"
         "PricingUnit,ListUnitPrice,ContractedUnitPrice,ServiceCategory,ServiceName,ProviderName,"
         "ResourceId,SkuId,x_Tier,x_UsageId\r\n";
}

absl::StatusOr<std::string> FocusRowsOf(const PriceBook& book, const UsageRecord& record) {
  WL_ASSIGN_OR_RETURN(const Charge charge, RateOrFree(book, record));
  std::string rows;
  for (const ChargeLine& line : charge.lines) {
    if (line.amount.IsZero()) continue;
    rows += LineOf({.tenant = record.tenant,
                    .project = record.project,
                    .model = record.model,
                    .item = std::string(Name(line.meter)),
                    .tier = std::string(Name(record.served)),
                    .usage_id = record.id,
                    .begin_us = record.admitted_us,
                    .end_us = SecondAfter(record.ended_us),
                    .billing = MonthOf(record.ended_us),
                    .unit = "Tokens",
                    .quantity = absl::StrCat(line.quantity),
                    .price = line.price,
                    .amount = line.amount});
  }
  return rows;
}

std::string FocusRowsOf(const Invoice& invoice) {
  std::string rows;
  for (const InvoiceLine& line : invoice.lines) {
    if (line.item < Item::kSystemTime || line.amount.IsZero()) continue;
    FocusRow row{.tenant = invoice.tenant,
                 .project = line.project,
                 .model = line.model,
                 .item = std::string(Name(line.item)),
                 .tier = std::string(Name(line.tier)),
                 .begin_us = line.period.begin_us(),
                 .end_us = line.period.end_us(),
                 .billing = invoice.month,
                 .quantity = absl::StrCat(line.quantity),
                 .price = line.price,
                 .amount = line.amount};
    switch (line.item) {
      case Item::kSystemTime:
        row.unit = "System Seconds";
        row.quantity = FormatScaled(line.quantity, 9, 0);
        break;
      case Item::kReservedFee:
        row.category = "Purchase";
        row.unit = "Minutes";
        break;
      case Item::kReservedCover:
        row.category = "Credit";
        row.unit = "Tokens";
        break;
      case Item::kUnusedCommitment:
        row.category = "Purchase";
        row.quantity.clear();
        break;
      default:
        row.category = "Credit";
        row.quantity.clear();
    }
    rows += LineOf(row);
  }
  if (invoice.rounding.IsZero()) return rows;
  return rows + LineOf({.tenant = invoice.tenant,
                        .item = "rounding",
                        .category = "Adjustment",
                        .begin_us = invoice.month.begin_us(),
                        .end_us = invoice.month.end_us(),
                        .billing = invoice.month,
                        .amount = invoice.rounding});
}

}  // namespace waferline::billing
