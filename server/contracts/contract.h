// A contract over compute capacity: a number of MW, delivered over time, each for a term, at a
// price whether used or not; with an option, a loan, a warrant. Plain values, any thread; read from
// YAML by contract_reader.h. Numbers that are not published carry a mark and a range (Fact).
//
// Power is counted in whole kW, money in whole cents, time in calendar months.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/money/money.h"
#include "server/money/unit_price.h"
#include "wafer_backend/base/calendar.h"
#include "wafer_backend/base/fact.h"

namespace waferline::contracts {

inline constexpr int kMaxContractMonths = 600;

// How capacity arrives between the months `from` and `to`: the same each month, or growing in
// proportion to the months passed.
enum class Shape : uint8_t { kEven, kRamp };
struct Delivery {
  Month from;
  Month to;
  Shape shape = Shape::kEven;

  int months() const { return to - from + 1; }
};

// A right of the buyer to more capacity.
struct Option {
  std::string name;
  int64_t extra_kw = 0;
  Month exercise_by;
  Delivery delivery;
  bool exercised = false;
};

enum class PriceBasis : uint8_t { kTotal, kMwYear, kSystemHour };
struct Price {
  PriceBasis basis = PriceBasis::kTotal;
  Cents amount;  // in all; a MW and year of 8,760 h; a system and hour
};

// Costs that the buyer pays back: revenue without margin.
struct PassThrough {
  std::string name;
  UnitPrice per_kwh;  // of capacity in service, or
  UnitPrice per_mw_month;
};

// What is promised, and what a shortfall costs: the price of the missing share, at most `cap` of
// the month's bill.
struct Service {
  Multiplier availability;
  Multiplier cap;
  bool operator==(const Service&) const = default;
};

enum class Repayment : uint8_t { kCash, kCapacity, kMixed };
struct Loan {
  Cents principal;
  Month drawn;
  int64_t rate_ppm = 0;  // a year: 6 % is 60000
  int instalments = 1;   // equal parts of the principal, one a month
  Month first;           // of the instalments
  Repayment by = Repayment::kCash;
  Multiplier capacity_share;  // of each instalment, if mixed
};

// A part of a warrant's shares, and when they vest.
struct WarrantPart {
  enum class On : uint8_t { kMonth, kDelivery };
  int64_t shares = 0;
  On on = On::kMonth;
  Month month;               // kMonth: all of them
  int64_t linear_to_kw = 0;  // kDelivery: in proportion to what was delivered
};
struct Warrant {
  int64_t shares = 0;
  UnitPrice value;  // of a share when granted
  std::vector<WarrantPart> parts;
};

// What the seller published of the obligations at the begin of `at`, percent of their total.
struct Disclosure {
  Month at;
  double next_two_years = 0, two_after = 0, later = 0;  // as Obligations has them
  std::string source;
};

struct Contract {
  std::string name;
  std::string buyer;
  std::string group;
  Fact kw_per_system;
  bool facility = false;  // MW count the hall's load, not the systems'
  Fact pue;               // what of the hall's load is the systems': 1 / pue
  int64_t committed_kw = 0;
  Delivery delivery;
  Fact term_months;
  std::vector<Option> options;
  Price price;
  Multiplier minimum_share;  // take or pay: this share of what is committed is billed if unused
  std::vector<PassThrough> pass_through;
  std::optional<Service> service;
  std::optional<Loan> loan;
  std::optional<Warrant> warrant;
  std::vector<Disclosure> disclosed;  // to hold the term against; changes nothing
};

}  // namespace waferline::contracts
