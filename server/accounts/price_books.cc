#include "server/accounts/price_books.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/accounts/compute_costs.h"
#include "server/billing/price_book_reader.h"
#include "wafer_backend/base/status.h"

namespace waferline::accounts {
namespace {

using store::Connection;
using store::IntegerOf;
using store::Result;
using store::Row;
using store::TextOf;

// No recorded usage was admitted after this: a record ends after that, if it is not open still.
absl::StatusOr<int64_t> LastUse(Connection& connection) {
  WL_ASSIGN_OR_RETURN(const Result last,
                      connection.Run("SELECT MAX(CASE WHEN ended_us < admitted_us THEN admitted_us "
                                     "ELSE ended_us END) FROM usage",
                                     {}));
  return IntegerOf(last.rows[0][0]);
}

absl::Status CheckTenants(Connection& connection, const billing::PriceBook& book, int64_t now_us) {
  WL_ASSIGN_OR_RETURN(const Result plans,
                      connection.Run("SELECT name, plan FROM tenant WHERE plan <> ''", {}));
  for (const Row& row : plans.rows) {
    const absl::Status found = CheckPlan(book, TextOf(row[1]), now_us);
    if (found.ok()) continue;
    return absl::FailedPreconditionError(
        absl::StrCat(book.name, ": tenant '", TextOf(row[0]), "': ", found.message()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckPlan(const billing::PriceBook& book, const std::string& plan, int64_t now_us) {
  for (size_t i = 0; i < book.versions.size(); ++i) {
    const bool is_past =
        i + 1 < book.versions.size() && book.versions[i + 1].effective_us <= now_us;
    if (!is_past) WL_RETURN_IF_ERROR(book.versions[i].PlanNamed(plan).status());
  }
  return absl::OkStatus();
}

absl::StatusOr<billing::PriceBook> StoredPriceBook(Connection& connection) {
  WL_ASSIGN_OR_RETURN(
      const Result found,
      connection.Run("SELECT name, text FROM price_book ORDER BY id DESC LIMIT 1", {}));
  if (found.rows.empty()) {
    return absl::NotFoundError(
        "this database was never used with prices ('billing: {prices: FILE}'), so nothing in it "
        "was charged");
  }
  return billing::ParsePriceBook(TextOf(found.rows[0][0]), TextOf(found.rows[0][1]));
}

absl::Status AdoptPriceBook(Connection& connection, const billing::PriceBook& book,
                            int64_t now_us) {
  const absl::StatusOr<billing::PriceBook> stored = StoredPriceBook(connection);
  if (!stored.ok() && !absl::IsNotFound(stored.status())) return stored.status();
  if (stored.ok()) {
    WL_ASSIGN_OR_RETURN(const int64_t until_us, LastUse(connection));
    WL_RETURN_IF_ERROR(CheckNotRepriced(*stored, book, until_us));
  }
  WL_RETURN_IF_ERROR(CheckTenants(connection, book, now_us));
  WL_RETURN_IF_ERROR(AddComputeCosts(connection, book));
  if (stored.ok() && stored->text == book.text) return absl::OkStatus();
  return connection
      .Run("INSERT INTO price_book(name, text, first_us) VALUES($1, $2, $3)",
           {book.name, book.text, now_us})
      .status();
}

}  // namespace waferline::accounts
