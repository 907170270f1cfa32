#include "server/planner/money.h"

#include <algorithm>
#include <cmath>

#include "server/money/proportion.h"
#include "wafer_backend/base/check.h"

namespace waferline::planner {
namespace {

constexpr int64_t kWeekUs = 7 * kMicrosecondsPerDay;

constexpr double kMaxSystemUsd = 1e8;
constexpr double kMaxLineUsd = 1e13;  // so that no sum of a plan's lines leaves 64 bits

int64_t Cents(double usd) { return std::llround(std::min(usd, kMaxLineUsd) * 100); }

class Ledger {
 public:
  Ledger(const Plan& plan, const Values& values, const SupplyRun& supply)
      : plan_(plan), finance_(*plan.finance), values_(values), supply_(supply) {
    const Month first = MonthOf(plan.start_us);
    const Month last = MonthOf(plan.start_us + plan.weeks * kWeekUs - 1);
    for (int m = 0; m <= last - first; ++m) run_.months.push_back({.month = first + m});
    cost_ = Cents(std::min(SystemCost(plan, values), kMaxSystemUsd));
    prepay_ = std::llround(static_cast<double>(cost_) * V(finance_.prepay_share));
    lease_usd_.resize(run_.months.size());
    hall_mw_hours_.resize(run_.months.size());
  }

  MoneyRun Run() {
    const std::vector<double> promised = PromisedMw(plan_, values_);
    for (int week = 0; week < plan_.weeks; ++week) {
      AddSystems(week);
      AddHours(week, promised[static_cast<size_t>(week)]);
    }
    AddLeases();
    AddPlant();
    for (const Equity& round : finance_.equity) {
      const int m = round.month - run_.months.front().month;
      if (m >= 0 && m < static_cast<int>(run_.months.size())) {
        run_.months[static_cast<size_t>(m)].paid_in += Cents(V(round.usd));
      }
    }
    Depreciate();
    for (size_t m = 0; m < run_.months.size(); ++m) EarnAndPay(m);
    Close();
    return std::move(run_);
  }

 private:
  double V(Par par) const { return values_[par.index]; }

  size_t MonthAt(int64_t instant_us) const {
    return static_cast<size_t>(MonthOf(instant_us) - run_.months.front().month);
  }
  int64_t BeginOf(int week) const { return plan_.start_us + week * kWeekUs; }

  // The stage whose start is prepaid: the one before the last, if the last needs one only.
  size_t BuiltIn() const {
    const Stage& last = plan_.stages.back();
    return last.needs.size() == 1 ? last.needs[0].stage : plan_.stages.size() - 1;
  }

  void AddSystems(int week) {
    MonthMoney& month = run_.months[MonthAt(BeginOf(week))];
    const auto change = [&](size_t stage, int64_t StageWeek::*what) {
      const auto w = static_cast<size_t>(week);
      const auto& weeks = supply_.stages[stage];
      return weeks[w].*what - (w == 0 ? 0 : weeks[w - 1].*what);
    };
    const size_t last = plan_.stages.size() - 1, built = BuiltIn();
    month.prepaid += prepay_ * change(built, &StageWeek::started);
    month.paid_at_delivery += (cost_ - prepay_) * change(last, &StageWeek::started);
    month.placed_in_service += cost_ * change(last, &StageWeek::good);
    month.written_off += cost_ * change(last, &StageWeek::scrap);
    if (built != last) month.written_off += prepay_ * change(built, &StageWeek::scrap);
  }

  void AddHours(int week, double promised_mw) {
    const auto w = static_cast<size_t>(week);
    const int64_t online = week == 0 ? 0 : supply_.online[w - 1];
    const auto promised =
        static_cast<int64_t>(std::ceil(promised_mw * 1000 / V(plan_.kw_per_system) - 1e-9));
    const int64_t begin = BeginOf(week), end = begin + kWeekUs;
    for (int64_t at = begin; at < end;) {
      const size_t m = MonthAt(at);
      const int64_t until = std::min(end, run_.months[m].month.end_us());
      const int64_t hours = (until - at) / kMicrosecondsPerHour;
      run_.months[m].system_hours += online * hours;
      run_.months[m].contracted_hours += std::min(online, promised) * hours;
      hall_mw_hours_[m] += supply_.hall_mw[w] * static_cast<double>(hours);
      at = until;
    }
  }

  // Leased MW are paid for from the week in which they are ready, by the share of the month.
  void AddLeases() {
    for (const Hall& hall : plan_.halls) {
      if (hall.built) continue;
      const std::vector<double> mw = HallMw(plan_, hall, values_);
      for (int week = 0; week < plan_.weeks; ++week) {
        MonthMoney& month = run_.months[MonthAt(BeginOf(week))];
        const double weeks_a_month = static_cast<double>(month.month.hours()) / (7 * 24);
        lease_usd_[MonthAt(BeginOf(week))] +=
            mw[static_cast<size_t>(week)] * V(hall.usd_per_mw_month) / weeks_a_month;
      }
    }
  }

  // A built hall is paid for in the month in which it is ready, a stage's one-off cost when its
  // first rate begins.
  void AddPlant() {
    plant_capex_.resize(run_.months.size());
    const auto add = [&](int week, double usd) {
      if (week >= plan_.weeks) return;
      const size_t m = MonthAt(BeginOf(week));
      run_.months[m].plant_capex += Cents(usd);
      plant_capex_[m] = run_.months[m].plant_capex;
    };
    for (const Hall& hall : plan_.halls) {
      if (!hall.built) continue;
      const std::vector<double> mw = HallMw(plan_, hall, values_);
      const auto ready = std::find_if(mw.begin(), mw.end(), [](double v) { return v > 0; });
      add(static_cast<int>(ready - mw.begin()), V(hall.mw) * V(hall.capex_usd_per_mw));
    }
    for (const Stage& stage : plan_.stages) {
      if (V(stage.enabled) >= 0.5) add(stage.rate.front().week, V(stage.one_off_usd));
    }
  }

  // What `cost`, in service since month `from`, loses evenly over `life` months: sums to `cost`.
  void DepreciateOne(int64_t cost, size_t from, int64_t life) {
    if (cost == 0) return;
    for (size_t m = from + 1; m < run_.months.size(); ++m) {
      const auto age = static_cast<int64_t>(m - from);
      if (age > life) break;
      run_.months[m].depreciation += Proportion(cost, age, life) - Proportion(cost, age - 1, life);
    }
  }
  void Depreciate() {
    const int64_t life = std::max<int64_t>(1, std::llround(12 * V(finance_.life_years)));
    const int64_t hall_life = std::max<int64_t>(1, std::llround(12 * V(finance_.hall_life_years)));
    for (size_t m = 0; m < run_.months.size(); ++m) {
      DepreciateOne(run_.months[m].placed_in_service, m, life);
      DepreciateOne(plant_capex_[m], m, hall_life);
    }
  }

  void EarnAndPay(size_t m) {
    MonthMoney& month = run_.months[m];
    const auto hours = static_cast<double>(month.system_hours);
    const auto contracted = static_cast<double>(month.contracted_hours);
    const double share = hours > 0 ? contracted / hours : 0;
    // The buyer pays for the room that its systems take, not for empty halls.
    const double taken = contracted * V(plan_.kw_per_system) * 1e-3;
    const double room = hall_mw_hours_[m] > 0 ? std::min(1.0, taken / hall_mw_hours_[m]) : 0;
    in_service_ += m == 0 ? 0 : run_.months[m - 1].placed_in_service;
    month.electricity =
        Cents(hours * MeanKw(plan_, values_) * V(finance_.pue) * V(finance_.usd_per_kwh));
    month.lease = Cents(lease_usd_[m]);
    month.staff = std::llround(static_cast<double>(in_service_) * V(finance_.staff_share) / 12);
    month.contracted = Cents(contracted * V(finance_.price_usd_per_system_hour));
    month.contra = std::llround(static_cast<double>(month.contracted) * V(finance_.contra_share));
    month.passed_through = std::llround(
        share * static_cast<double>(month.electricity) * V(finance_.pass_through_power) +
        room * static_cast<double>(month.lease) * V(finance_.pass_through_lease));
    const double tokens = (hours - contracted) * 3600 * V(finance_.utilisation) *
                          V(finance_.models.front().tokens_per_second);
    month.spot = Cents(tokens * 1e-6 * V(finance_.spot_usd_per_million_tokens));
    const auto later = m + static_cast<size_t>(std::lround(V(finance_.payment_months)));
    if (later < run_.months.size()) {
      run_.months[later].collected += month.contracted + month.passed_through + month.spot;
    }
  }

  void Close() {
    run_.opening_cash = Cents(V(finance_.opening_cash_usd));
    const size_t built = BuiltIn();
    const int64_t opening_stock =
        built + 1 == plan_.stages.size()
            ? 0
            : prepay_ * static_cast<int64_t>(V(plan_.stages[built].stock));
    MonthMoney before{.cash = run_.opening_cash,
                      .inventory = opening_stock,
                      .total_paid_in = run_.opening_cash + opening_stock};
    int64_t without = run_.opening_cash;
    for (MonthMoney& month : run_.months) {
      const int64_t paid = month.prepaid + month.paid_at_delivery + month.plant_capex +
                           month.electricity + month.lease + month.staff;
      month.cash = before.cash + month.collected + month.paid_in - paid;
      month.receivables = before.receivables + month.contracted + month.passed_through +
                          month.spot - month.collected;
      month.inventory = before.inventory + month.prepaid + month.paid_at_delivery -
                        month.placed_in_service - month.written_off;
      month.property =
          before.property + month.placed_in_service + month.plant_capex - month.depreciation;
      month.total_paid_in = before.total_paid_in + month.paid_in;
      month.warrants = before.warrants + month.contra;
      month.retained = before.retained + month.operating_income();
      without += month.collected - paid;
      if (-without > run_.peak_cash_need) {
        run_.peak_cash_need = -without;
        run_.peak_cash_month = month.month;
      }
      before = month;
    }
  }

  const Plan& plan_;
  const Finance& finance_;
  const Values& values_;
  const SupplyRun& supply_;
  MoneyRun run_;
  int64_t cost_ = 0, prepay_ = 0;  // of a system
  int64_t in_service_ = 0;
  std::vector<double> lease_usd_, hall_mw_hours_;  // of each month
  std::vector<int64_t> plant_capex_;
};

}  // namespace

MoneyRun RunMoney(const Plan& plan, const Values& values, const SupplyRun& supply) {
  WL_CHECK(plan.finance.has_value());
  return Ledger(plan, values, supply).Run();
}

}  // namespace waferline::planner
