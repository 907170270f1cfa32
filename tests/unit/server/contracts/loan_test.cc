#include "server/contracts/loan.h"

#include <catch2/catch.hpp>

#include "server/contracts/contract_reader.h"
#include "server/contracts/warrant.h"

namespace waferline::contracts {
namespace {

constexpr Cents kBillion(100'000'000'000);

Loan SixPercent(int instalments, int first, Repayment by) {
  const Month drawn{2026, 1};
  return {.principal = kBillion,
          .drawn = drawn,
          .rate_ppm = 60'000,
          .instalments = instalments,
          .first = drawn + first,
          .by = by};
}

struct Sums {
  Cents accrued, waived, paid, repaid_cash, repaid_capacity;
};

// Checks the laws on the way.
Sums SumOf(const std::vector<LoanMonth>& months) {
  Sums sums;
  Cents drawn;
  for (const LoanMonth& row : months) {
    sums.accrued += row.accrued;
    sums.waived += row.waived;
    sums.paid += row.paid;
    sums.repaid_cash += row.repaid_cash;
    sums.repaid_capacity += row.repaid_capacity;
    drawn += row.drawn;
    REQUIRE(sums.accrued == sums.waived + sums.paid + row.owed);
    REQUIRE(row.closing == row.opening + row.drawn - row.repaid_cash - row.repaid_capacity);
    REQUIRE(drawn == sums.repaid_cash + sums.repaid_capacity + row.closing);
    REQUIRE(row.owed >= Cents());
  }
  REQUIRE(months.back().closing == Cents());
  REQUIRE(months.back().owed == Cents());
  return sums;
}

TEST_CASE("a bullet of one year at 6 % costs 60.0M") {
  CHECK(SumOf(LoanScheduleOf(SixPercent(1, 12, Repayment::kCash))).paid == Cents(6'000'000'000));
}

TEST_CASE("36 equal monthly principals at 6 % cost 92.5M") {
  const Cents paid = SumOf(LoanScheduleOf(SixPercent(36, 1, Repayment::kCash))).paid;
  CHECK(std::abs((paid - Cents(9'250'000'000)).count()) <= 18);  // half a cent each
}

TEST_CASE("12 equal quarterly principals at 6 % cost 97.5M") {
  // Twelve loans of one instalment each, a quarter after the other.
  Cents interest;
  for (int quarter = 1; quarter <= 12; ++quarter) {
    Loan loan = SixPercent(1, 3 * quarter, Repayment::kCash);
    loan.principal = Cents(kBillion.count() * quarter / 12 - kBillion.count() * (quarter - 1) / 12);
    interest += SumOf(LoanScheduleOf(loan)).paid;
  }
  CHECK(std::abs((interest - Cents(9'750'000'000)).count()) <= 6);  // a third of a cent each
}

TEST_CASE("an annuity of 36 months at 6 % pays 30,421,937.45 a month, 95,189,748 of interest") {
  const Annuity annuity = AnnuityOf(kBillion, 60'000, 36);
  CHECK(FormatCents(annuity.payment) == "30421937.45");
  CHECK(annuity.interest.count() / 100 == 95'189'748);
}

TEST_CASE("repaid by capacity nothing is paid; half and half lies in between") {
  const Sums capacity = SumOf(LoanScheduleOf(SixPercent(36, 1, Repayment::kCapacity)));
  CHECK(capacity.paid == Cents());
  CHECK(std::abs((capacity.waived - Cents(9'250'000'000)).count()) <= 18);
  CHECK(capacity.repaid_capacity == kBillion);
  Loan mixed = SixPercent(36, 1, Repayment::kMixed);
  mixed.capacity_share = Multiplier::Parse("0.5").value();
  const Sums half = SumOf(LoanScheduleOf(mixed));
  CHECK(half.paid + half.waived == half.accrued);
  CHECK(std::abs((half.paid - Cents(4'625'000'000)).count()) <= 40);
  CHECK(half.repaid_cash + half.repaid_capacity == kBillion);
}

TEST_CASE("the warrant's parts sum to 33,445,026 and vest with delivery") {
  const Warrant warrant = *LoadContract("openai-750mw").value().warrant;
  CHECK(warrant.shares == 33'445'026);
  int64_t sum = 0;
  std::vector<std::string> millions;
  for (const WarrantPart& part : warrant.parts) {
    sum += part.shares;
    millions.push_back(FormatCents(ValueOf(warrant, part.shares).value()));
  }
  CHECK(sum == 33'445'026);
  // 365.8 + 457.2 + 1,920.2 = 2,743.2M
  CHECK(millions == std::vector<std::string>{"365754820.74", "457193505.42", "1920212706.36"});
  CHECK(FormatCents(ValueOf(warrant, sum).value()) == "2743161032.52");
  const Month late{2031, 1};
  CHECK(VestedShares(warrant, late, 750'000) - VestedShares(warrant, late, 0) == 8'779'319);
  CHECK(VestedShares(warrant, late, 2'000'000) == 33'445'026);
  CHECK(VestedShares(warrant, late, 3'000'000) == 33'445'026);
  CHECK(VestedShares(warrant, {2026, 6}, 0) == 4'459'337);
  int64_t before = 0;
  for (int64_t kw = 0; kw <= 2'000'000; kw += 9973) {
    const int64_t vested = VestedShares(warrant, late, kw);
    REQUIRE(vested >= before);
    before = vested;
  }
}

}  // namespace
}  // namespace waferline::contracts
