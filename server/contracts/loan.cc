#include "server/contracts/loan.h"

#include "server/money/proportion.h"
#include "wafer_backend/base/check.h"

namespace waferline::contracts {
namespace {

constexpr int64_t kMillionMonths = 12'000'000;  // of a rate in millionths a year

struct Slice {
  Cents principal;
  int due = 0;  // months after drawing
  Cents by_capacity;

  Cents InterestAfter(Cents part, int64_t rate_ppm, int months) const {
    return Cents(Proportion(part.count(), rate_ppm * months, kMillionMonths));
  }
};

std::vector<Slice> SlicesOf(const Loan& loan) {
  const std::vector<int64_t> equal(static_cast<size_t>(loan.instalments), 1);
  const std::vector<int64_t> parts = Apportion(loan.principal.count(), equal);
  std::vector<Slice> slices;
  for (size_t i = 0; i < parts.size(); ++i) {
    Slice slice{.principal = Cents(parts[i]),
                .due = (loan.first - loan.drawn) + static_cast<int>(i)};
    if (loan.by == Repayment::kCapacity) slice.by_capacity = slice.principal;
    if (loan.by == Repayment::kMixed) {
      slice.by_capacity = Cents(Proportion(parts[i], loan.capacity_share.thousandths(), 1000));
    }
    slices.push_back(slice);
  }
  return slices;
}

// What is left after `months` payments, below 0 if they were too large.
struct Payments {
  Cents balance;
  Cents interest;
};
Payments Pay(Cents principal, int64_t rate_ppm, int months, Cents payment) {
  Payments out{.balance = principal};
  for (int m = 0; m < months; ++m) {
    const Cents due(Proportion(out.balance.count(), rate_ppm, kMillionMonths));
    out.interest += due;
    out.balance += due - payment;
  }
  return out;
}

}  // namespace

std::vector<LoanMonth> LoanScheduleOf(const Loan& loan) {
  const std::vector<Slice> slices = SlicesOf(loan);
  std::vector<LoanMonth> months;
  Cents outstanding, owed;
  for (int age = 0; age <= slices.back().due; ++age) {
    LoanMonth row{.month = loan.drawn + age, .opening = outstanding};
    if (age == 0) row.drawn = loan.principal;
    for (const Slice& slice : slices) {
      if (age == 0 || slice.due < age) continue;
      // Its two parts each by themselves, so that what is waived and paid was accrued to the cent.
      for (const Cents part : {slice.by_capacity, slice.principal - slice.by_capacity}) {
        row.accrued += slice.InterestAfter(part, loan.rate_ppm, age) -
                       slice.InterestAfter(part, loan.rate_ppm, age - 1);
      }
      if (slice.due != age) continue;
      const Cents cash = slice.principal - slice.by_capacity;
      row.repaid_capacity += slice.by_capacity;
      row.repaid_cash += cash;
      row.waived += slice.InterestAfter(slice.by_capacity, loan.rate_ppm, age);
      row.paid += slice.InterestAfter(cash, loan.rate_ppm, age);
    }
    outstanding += row.drawn - row.repaid_cash - row.repaid_capacity;
    owed += row.accrued - row.waived - row.paid;
    row.closing = outstanding;
    row.owed = owed;
    months.push_back(row);
  }
  return months;
}

Annuity AnnuityOf(Cents principal, int64_t rate_ppm, int months) {
  WL_CHECK(months >= 1);
  int64_t low = 0;  // too small
  int64_t high = principal.count() + Proportion(principal.count(), rate_ppm, kMillionMonths) + 1;
  const auto left = [&](int64_t payment) {
    return Pay(principal, rate_ppm, months, Cents(payment)).balance.count();
  };
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    (left(middle) <= 0 ? high : low) = middle;
  }
  const Cents payment(left(low) < -left(high) ? low : high);
  return {.payment = payment, .interest = Pay(principal, rate_ppm, months, payment).interest};
}

}  // namespace waferline::contracts
