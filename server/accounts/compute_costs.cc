#include "server/accounts/compute_costs.h"

#include "server/billing/prepaid.h"
#include "server/billing/rating.h"
#include "server/metering/usage_record.h"
#include "server/metering/usage_tables.h"
#include "wafer_backend/base/calendar.h"
#include "wafer_backend/base/status.h"

namespace waferline::accounts {
namespace {

using store::Connection;
using store::IntegerOf;
using store::Result;
using store::Row;
using store::TextOf;

absl::Status AddCost(Connection& connection, const Row& row, Money::Columns cost) {
  WL_RETURN_IF_ERROR(
      connection
          .Run(
              "UPDATE usage SET charge_micro = $4, charge_pico = $5 WHERE epoch = $1 AND ordinal = "
              "$2 AND choice = $3",
              {row[0], row[1], row[2], cost.micro, int64_t{cost.pico}})
          .status());
  const int64_t ended_us = IntegerOf(row[3]);
  return connection
      .Run(
          "UPDATE usage_hour SET charge_micro = charge_micro + $7 + (charge_pico + $8) / 1000000, "
          "charge_pico = (charge_pico + $8) % 1000000 WHERE hour_us = $1 AND tenant = $2 AND "
          "project = $3 AND api_key = $4 AND model = $5 AND tier = $6",
          {ended_us - ended_us % kMicrosecondsPerHour, row[4], row[5], row[6], row[7], row[8],
           cost.micro, int64_t{cost.pico}})
      .status();
}

}  // namespace

absl::Status AddComputeCosts(Connection& connection, const billing::PriceBook& book) {
  WL_ASSIGN_OR_RETURN(const Result due,
                      connection.Run("DELETE FROM setting WHERE name = 'compute_costs_due'", {}));
  if (due.changed == 0) return absl::OkStatus();
  WL_ASSIGN_OR_RETURN(
      const Result found,
      connection.Run(
          "SELECT epoch, ordinal, choice, ended_us, tenant, project, api_key, model, "
          "tier, plan, reason, admitted_us, system_ns, invoice FROM usage WHERE status = "
          "'posted' AND plan <> '' AND system_ns > 0 AND charge_micro = 0 AND "
          "charge_pico = 0",
          {}));
  for (const Row& row : found.rows) {
    const billing::UsageRecord record{.plan = TextOf(row[9]),
                                      .model = TextOf(row[7]),
                                      .end = metering::EndOf(TextOf(row[10])),
                                      .admitted_us = IntegerOf(row[11]),
                                      .system_ns = IntegerOf(row[12])};
    WL_ASSIGN_OR_RETURN(const Money cost, ComputeTimeCost(book, record));
    if (cost.IsZero()) continue;
    WL_RETURN_IF_ERROR(AddCost(connection, row, cost.ToColumns()));
    WL_ASSIGN_OR_RETURN(const Money taken, PrepaidTime(book, record));
    if (taken.IsZero() || IntegerOf(row[13]) != 0) continue;
    WL_RETURN_IF_ERROR(metering::AddToBalance(connection, TextOf(row[4]), taken));
  }
  return absl::OkStatus();
}

}  // namespace waferline::accounts
