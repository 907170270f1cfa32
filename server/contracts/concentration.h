// On how few customers revenue rests. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/money/money.h"

namespace waferline::contracts {

inline constexpr size_t kMaxCustomers = 100'000;

// A customer named "*" stands for all others, whose number is not known.
struct CustomerRevenue {
  std::string customer;
  std::string group;  // related parties count as one; its own name without
  Cents revenue;
};

struct CustomerShare {
  std::string name;
  Cents revenue;
  double share = 0;
};

struct Concentration {
  Cents total;
  std::vector<CustomerShare> shares;  // largest first, without "*"
  // The sum of squared shares (Herfindahl, Hirschman): if the others are many, and if they are one.
  double hhi_low = 0;
  double hhi_high = 0;
  // Of the `n` largest.
  double top(size_t n) const;
};

// CSV: a first line "customer,revenue_usd" or "customer,revenue_usd,group". InvalidArgument names
// the line: a field too many, a negative or unreadable amount, a customer given twice.
absl::StatusOr<std::vector<CustomerRevenue>> ParseCustomers(const std::string& name,
                                                            std::string_view text);

// By customer, or by group. `without`: one of them is lost. InvalidArgument: there is none of that
// name, or no revenue is left.
absl::StatusOr<Concentration> ConcentrationOf(const std::vector<CustomerRevenue>& customers,
                                              bool by_group, std::string_view without = "");

}  // namespace waferline::contracts
