#include "server/contracts/concentration.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "wafer_backend/base/name_table.h"
#include "wafer_backend/base/status.h"

namespace waferline::contracts {
namespace {

constexpr std::string_view kOthers = "*";
constexpr int64_t kMaxCents = 1'000'000'000'000'000;  // so that all of them together fit

double ShareOf(Cents part, Cents total) { return part.as_double() / total.as_double(); }

absl::StatusOr<CustomerRevenue> ReadRow(const std::vector<std::string>& cells, size_t columns) {
  if (cells.size() != columns) {
    return absl::InvalidArgumentError(
        absl::StrCat("has ", cells.size(), " fields, must have ", columns));
  }
  if (cells[0].empty()) return absl::InvalidArgumentError("customer: is empty");
  CustomerRevenue row{.customer = cells[0], .group = columns > 2 ? cells[2] : ""};
  const absl::StatusOr<Cents> revenue = ParseCents(cells[1]);
  if (!revenue.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("revenue_usd: ", std::string(revenue.status().message())));
  }
  row.revenue = *revenue;
  if (row.revenue < Cents() || row.revenue > Cents(kMaxCents)) {
    return absl::InvalidArgumentError("revenue_usd: must lie in [0, 10000000000000]");
  }
  if (row.group.empty()) row.group = row.customer;
  return row;
}

}  // namespace

double Concentration::top(size_t n) const {
  double sum = 0;
  for (size_t i = 0; i < std::min(n, shares.size()); ++i) sum += shares[i].share;
  return sum;
}

absl::StatusOr<std::vector<CustomerRevenue>> ParseCustomers(const std::string& name,
                                                            std::string_view text) {
  std::vector<CustomerRevenue> rows;
  std::set<std::string> seen;
  size_t columns = 0;
  int number = 0;
  const std::vector<std::string> lines = absl::StrSplit(std::string(text), '\n');
  for (std::string line : lines) {
    ++number;
    const auto wrong = [&](std::string_view what) {
      return absl::InvalidArgumentError(absl::StrCat(name, ":", number, ": ", std::string(what)));
    };
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty()) continue;
    if (columns == 0) {
      if (line != "customer,revenue_usd" && line != "customer,revenue_usd,group") {
        return wrong("must be customer,revenue_usd or customer,revenue_usd,group");
      }
      columns = line.ends_with("group") ? 3 : 2;
      continue;
    }
    const std::vector<std::string> cells = absl::StrSplit(line, ',');
    absl::StatusOr<CustomerRevenue> row = ReadRow(cells, columns);
    if (!row.ok()) return wrong(std::string(row.status().message()));
    if (!seen.insert(row->customer).second) return wrong("customer: is given twice");
    if (rows.size() == kMaxCustomers)
      return wrong(absl::StrCat("more than ", kMaxCustomers, " customers"));
    rows.push_back(*std::move(row));
  }
  if (rows.empty()) return absl::InvalidArgumentError(absl::StrCat(name, ": has no customers"));
  return rows;
}

absl::StatusOr<Concentration> ConcentrationOf(const std::vector<CustomerRevenue>& customers,
                                              bool by_group, std::string_view without) {
  std::map<std::string, Cents> revenue;
  Cents others;
  std::vector<std::string_view> names;
  for (const CustomerRevenue& row : customers) {
    const std::string& name = by_group ? row.group : row.customer;
    if (name != kOthers) names.push_back(name);
    if (name == without) continue;
    (row.customer == kOthers ? others : revenue[name]) += row.revenue;
  }
  if (!without.empty() && std::find(names.begin(), names.end(), without) == names.end()) {
    return absl::InvalidArgumentError(absl::StrCat("customer ", NotOneOf(without, names)));
  }
  Concentration out{.total = others};
  for (const auto& [name, amount] : revenue) out.total += amount;
  if (out.total <= Cents()) return absl::InvalidArgumentError("no revenue is left");
  for (const auto& [name, amount] : revenue) {
    const double share = ShareOf(amount, out.total);
    out.shares.push_back({name, amount, share});
    out.hhi_low += share * share;
  }
  std::stable_sort(
      out.shares.begin(), out.shares.end(),
      [](const CustomerShare& a, const CustomerShare& b) { return a.revenue > b.revenue; });
  const double rest = ShareOf(others, out.total);
  out.hhi_high = out.hhi_low + rest * rest;
  return out;
}

}  // namespace waferline::contracts
