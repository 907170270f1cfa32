#include "server/contracts/schedule.h"

#include <catch2/catch.hpp>

#include "server/contracts/capacity.h"
#include "server/contracts/contract_reader.h"
#include "server/money/proportion.h"
#include "wafer_backend/base/seeded_stream.h"

namespace waferline::contracts {
namespace {

Contract Deal() { return LoadContract("openai-750mw").value(); }

// Checks every identity of every month.
void CheckLaws(const Contract& contract, const Schedule& schedule) {
  Cents committed, contra;
  for (const ScheduleMonth& row : schedule.months) {
    INFO(row.month.Text());
    committed += row.committed;
    contra += row.contra_revenue;
    REQUIRE(row.recognised == row.billed - row.credit + row.pass_through - row.contra_revenue);
    REQUIRE(row.cash_in == row.billed - row.credit + row.pass_through - row.loan.repaid_capacity);
    REQUIRE(row.obligations == schedule.total - committed);  // the roll-forward closes
    REQUIRE(row.unused >= Cents());
    REQUIRE(row.billed >= row.used);
    REQUIRE(row.credit <= row.billed);
  }
  REQUIRE(committed == schedule.total);
  REQUIRE(schedule.months.back().obligations == Cents());
}

TEST_CASE("750 MW of 23 kW systems are 32,609 promised, 32,608 within") {
  Contract deal = Deal();
  CHECK(SystemsPromised(deal, 750'000) == 32'609);
  CHECK(SystemsWithin(deal, 750'000) == 32'608);
  CHECK(SystemsWithin(deal, 250'000) == 10'869);
  CHECK(SystemsWithin(deal, 2'000'000) == 86'956);
  deal.facility = true;
  deal.pue.value = 1.25;
  CHECK(SystemsWithin(deal, 750'000) == 26'086);
  deal.pue.value = 1.30;
  CHECK(SystemsWithin(deal, 2'000'000) == 66'889);
}

TEST_CASE("$20B for 750 MW over 4 years is $6.667M a MW-year and $17.50 a system-hour") {
  // The other way around: at those prices 750 MW for 4 years come to $20B. 35,064 h of four years
  // are 4.0027 years of 8,760 h.
  Contract deal = Deal();
  deal.term_months = {.value = 48, .low = 48, .high = 48};
  deal.price = {PriceBasis::kSystemHour, Cents(1750)};
  const double hours = 35'064.0 / 35'040.0;
  CHECK(ScheduleOf(deal, {}).value().total.as_double() / 100 / 20e9 ==
        Approx(hours).epsilon(0.0005));
  deal.price = {PriceBasis::kMwYear, Cents(666'666'667)};
  CHECK(ScheduleOf(deal, {}).value().total.as_double() / 100 / 20e9 ==
        Approx(hours).epsilon(0.0005));
  // $41.96 a system-hour is $15.98M a MW-year: one system-hour is 0.023 MW-hours.
  CHECK(41.96 * 8760 / 0.023 == Approx(15.98e6).epsilon(0.0005));
}

TEST_CASE("obligations have the disclosed shapes with a term of 4.5 years, and not with 3") {
  struct Case {
    int term;
    Month from;
    double shares[3];  // of the continuous model
    double disclosed[3];
    double within;  // of what is disclosed; 0: the worst is further off
  };
  const Case cases[] = {
      {54, {2026, 1}, {14.8, 40.7, 44.4}, {15, 43, 42}, 3},
      {54, {2026, 7}, {22.4, 43.9, 33.6}, {22, 43, 35}, 3},
      {36, {2026, 1}, {22.2, 55.6, 22.2}, {15, 43, 42}, 0},
      {36, {2026, 7}, {33.8, 53.5, 12.7}, {22, 43, 35}, 0},
  };
  for (const Case& c : cases) {
    Contract deal = Deal();
    deal.term_months.value = c.term;
    const Obligations at = ObligationsAt(ScheduleOf(deal, {}).value(), c.from);
    REQUIRE(at.next_two_years + at.two_after + at.later == at.total);
    const Cents parts[3] = {at.next_two_years, at.two_after, at.later};
    double worst = 0;
    for (int i = 0; i < 3; ++i) {
      const double share = 100 * parts[i].as_double() / at.total.as_double();
      INFO("term " << c.term << " from " << c.from.Text() << ", window " << i << ": " << share);
      CHECK(share == Approx(c.shares[i]).margin(0.3));
      worst = std::max(worst, std::abs(share - c.disclosed[i]));
    }
    if (c.within > 0) CHECK(worst <= c.within);
    if (c.within == 0) CHECK(worst > 10);
  }
}

TEST_CASE("months sum to the contract to the cent, whatever the contract") {
  SeededStream random(750);
  for (int round = 0; round < 300; ++round) {
    const auto draw = [&random](int64_t below) {
      return static_cast<int64_t>(random.Next() % static_cast<uint64_t>(below));
    };
    Contract deal = Deal();
    deal.committed_kw = 1 + draw(3'000'000);
    deal.delivery.from = Month{2026, 1} + static_cast<int>(draw(24));
    deal.delivery.to = deal.delivery.from + static_cast<int>(draw(60));
    deal.delivery.shape = draw(2) == 0 ? Shape::kEven : Shape::kRamp;
    deal.term_months.value = static_cast<double>(1 + draw(90));
    deal.options[0].exercised = draw(2) == 0;
    deal.options[0].delivery = {deal.delivery.to + 1,
                                deal.delivery.to + 1 + static_cast<int>(draw(30))};
    deal.options[0].exercise_by = deal.delivery.to;
    deal.price = {static_cast<PriceBasis>(draw(3)), Cents(1 + draw(3'000'000'000'000))};
    if (deal.price.basis != PriceBasis::kTotal) deal.price.amount = Cents(1 + draw(20'000));
    deal.minimum_share = Multiplier::Parse(draw(2) == 0 ? "0.8" : "1").value();
    const Conduct conduct{.used = Multiplier::Parse(draw(2) == 0 ? "0.7" : "1.2").value(),
                          .available = Multiplier::Parse(draw(2) == 0 ? "0.95" : "1").value()};
    CheckLaws(deal, ScheduleOf(deal, conduct).value());
  }
}

TEST_CASE("take or pay, credits and pass-through of one month") {
  const Contract deal = Deal();
  const Conduct conduct{.used = Multiplier::Parse("0.6").value(),
                        .available = Multiplier::Parse("0.98").value()};
  const Schedule schedule = ScheduleOf(deal, conduct).value();
  const ScheduleMonth& row = schedule.months[40];  // 2029-05: all 750 MW
  CHECK(row.month.Text() == "2029-05");
  CHECK(row.twice_kw == 1'500'000);
  CHECK(row.used.count() == Proportion(row.committed.count(), 600, 1000));
  CHECK(row.unused == row.committed - row.used);
  CHECK(row.billed == row.committed);  // minimum share 1
  CHECK(row.credit.count() == Proportion(row.committed.count(), 10, 1000));
  // 750,000 kW x 744 h x $0.08125 + 750 MW x $120,833.33
  CHECK(FormatCents(row.pass_through) == "135962497.50");
}

TEST_CASE("an exercised option makes its shares probable and catches up") {
  Contract deal = Deal();
  const auto contra_until = [](const Schedule& schedule, Month last) {
    Cents sum;
    for (const ScheduleMonth& row : schedule.months) {
      if (row.month <= last) sum += row.contra_revenue;
    }
    return sum;
  };
  const Schedule without = ScheduleOf(deal, {}).value();
  const Month end = without.months.back().month;
  // 365,754,820.74 + 457,193,505.42 + 8,779,319 shares x $82.02
  CHECK(FormatCents(contra_until(without, end)) == "1543028070.54");
  deal.options[0].exercised = true;
  const Schedule with = ScheduleOf(deal, {}).value();
  CHECK(FormatCents(contra_until(with, with.months.back().month)) == "2743161032.52");
  // The same until it is exercised, but for cents of months that are rounded otherwise.
  CHECK(std::abs((contra_until(with, {2028, 11}) - contra_until(without, {2028, 11})).count()) <
        100);
  CHECK(with.total > without.total);
}

}  // namespace
}  // namespace waferline::contracts
