#include "server/contracts/schedule.h"

#include <algorithm>

#include "server/contracts/capacity.h"
#include "server/contracts/service_credit.h"
#include "server/contracts/warrant.h"
#include "server/money/proportion.h"
#include "wafer_backend/base/status.h"

namespace waferline::contracts {
namespace {

constexpr int64_t kThousand = 1000;
constexpr int64_t kTwiceKwhAMwYear = 2 * 1000 * 8760;

Cents Share(Cents amount, Multiplier share) {
  return Cents(Proportion(amount.count(), share.thousandths(), kThousand));
}

int64_t WeightOf(const std::vector<CapacityMonth>& months) {
  int64_t weight = 0;
  for (const CapacityMonth& month : months) weight += month.weight();
  return weight;
}

// What `weight` (twice the kWh) costs; `base_weight` is that of the committed capacity.
absl::StatusOr<Cents> CostOf(const Contract& contract, int64_t weight, int64_t base_weight) {
  WL_ASSIGN_OR_RETURN(const Money amount, Money::FromCents(contract.price.amount));
  absl::StatusOr<Money> cost;
  switch (contract.price.basis) {
    case PriceBasis::kTotal:
      cost = amount.Fraction(weight, base_weight);
      break;
    case PriceBasis::kMwYear:
      cost = amount.Fraction(weight, kTwiceKwhAMwYear);
      break;
    case PriceBasis::kSystemHour:
      cost = amount.Fraction(weight * 1000, 2 * WattsPerSystem(contract));
      break;
  }
  WL_RETURN_IF_ERROR(cost.status());
  return cost->RoundedToCents();
}

absl::StatusOr<Cents> PassThroughOf(const Contract& contract, const CapacityMonth& month) {
  Money sum;
  for (const PassThrough& it : contract.pass_through) {
    WL_ASSIGN_OR_RETURN(const Money energy, it.per_kwh.OfParts(month.weight(), 2));
    WL_ASSIGN_OR_RETURN(const Money rent, it.per_mw_month.OfParts(month.twice_kw, 2000));
    WL_RETURN_IF_ERROR(sum.Add(energy));
    WL_RETURN_IF_ERROR(sum.Add(rent));
  }
  return sum.RoundedToCents();
}

absl::StatusOr<Cents> CreditOf(const Contract& contract, const Conduct& conduct,
                               const ScheduleMonth& row) {
  if (!contract.service.has_value()) return Cents();
  CreditBase base;
  WL_ASSIGN_OR_RETURN(base.committed, Money::FromCents(row.committed));
  WL_ASSIGN_OR_RETURN(base.billed, Money::FromCents(row.billed));
  WL_ASSIGN_OR_RETURN(
      const Money credit,
      ServiceCredit(*contract.service, {conduct.available.thousandths(), kThousand}, base));
  return credit.RoundedToCents();
}

// The warrant's cost of revenue, cumulatively: its probable value in proportion to what is
// committed so far. When an option is exercised its shares become probable, and the past is caught
// up with.
class ContraRevenue {
 public:
  static absl::StatusOr<ContraRevenue> Of(const Contract& contract, Cents base, Cents all) {
    ContraRevenue contra;
    contra.base_total_ = base;
    contra.all_total_ = all;
    contra.from_ = contract.delivery.to + kMaxContractMonths * 2;
    if (!contract.warrant.has_value()) return contra;
    int64_t kw = contract.committed_kw;
    WL_ASSIGN_OR_RETURN(contra.base_value_,
                        ValueOf(*contract.warrant, ProbableShares(*contract.warrant, kw)));
    for (const Option& option : contract.options) {
      if (!option.exercised) continue;
      kw += option.extra_kw;
      contra.from_ = std::min(contra.from_, option.exercise_by);
    }
    WL_ASSIGN_OR_RETURN(contra.all_value_,
                        ValueOf(*contract.warrant, ProbableShares(*contract.warrant, kw)));
    return contra;
  }
  // Of `month`, in which `committed` is delivered; months in their order.
  Cents Next(Month month, Cents committed) {
    passed_ += committed;
    const bool all = month >= from_;
    const Cents total = all ? all_total_ : base_total_;
    const Cents value = all ? all_value_ : base_value_;
    const Cents until(Proportion(value.count(), std::min(passed_, total).count(),
                                 std::max<int64_t>(1, total.count())));
    const Cents part = until - before_;
    before_ = until;
    return part;
  }

 private:
  Cents base_total_, all_total_, base_value_, all_value_, passed_, before_;
  Month from_;
};

void AddLoan(const Contract& contract, Schedule* schedule) {
  if (!contract.loan.has_value()) return;
  for (const LoanMonth& loan : LoanScheduleOf(*contract.loan)) {
    const int index = loan.month - schedule->months.front().month;
    if (index < 0 || index >= static_cast<int>(schedule->months.size())) continue;
    ScheduleMonth& row = schedule->months[static_cast<size_t>(index)];
    row.loan = loan;
    row.cash_in -= loan.repaid_capacity;
  }
}

absl::StatusOr<ScheduleMonth> BillMonth(const Contract& contract, const Conduct& conduct,
                                        const CapacityMonth& capacity, Cents committed) {
  ScheduleMonth row{.month = capacity.month,
                    .twice_kw = capacity.twice_kw,
                    .delivered_kw = capacity.delivered_kw,
                    .systems = SystemsPromised(contract, capacity.delivered_kw),
                    .committed = committed};
  row.used = Share(row.committed, conduct.used);
  row.unused = std::max(Cents(), row.committed - row.used);
  row.billed = std::max(Share(row.committed, contract.minimum_share), row.used);
  WL_ASSIGN_OR_RETURN(row.credit, CreditOf(contract, conduct, row));
  WL_ASSIGN_OR_RETURN(row.pass_through, PassThroughOf(contract, capacity));
  row.cash_in = row.billed - row.credit + row.pass_through;
  if (contract.warrant.has_value()) {
    row.warrant_vested = VestedShares(*contract.warrant, row.month, row.delivered_kw);
  }
  return row;
}

}  // namespace

absl::StatusOr<Schedule> ScheduleOf(const Contract& contract, const Conduct& conduct) {
  const std::vector<CapacityMonth> capacity = CapacityOf(contract);
  const int64_t base_weight = WeightOf(CapacityOf(contract, /*options=*/false));
  std::vector<int64_t> weights;
  for (const CapacityMonth& month : capacity) weights.push_back(month.weight());
  Schedule schedule;
  WL_ASSIGN_OR_RETURN(const Cents base, CostOf(contract, base_weight, base_weight));
  WL_ASSIGN_OR_RETURN(schedule.total, CostOf(contract, WeightOf(capacity), base_weight));
  const std::vector<int64_t> committed = Apportion(schedule.total.count(), weights);
  WL_ASSIGN_OR_RETURN(ContraRevenue contra, ContraRevenue::Of(contract, base, schedule.total));
  Cents left = schedule.total;
  for (size_t i = 0; i < capacity.size(); ++i) {
    WL_ASSIGN_OR_RETURN(ScheduleMonth row,
                        BillMonth(contract, conduct, capacity[i], Cents(committed[i])));
    left -= row.committed;
    row.obligations = left;
    row.contra_revenue = contra.Next(row.month, row.committed);
    row.recognised = row.billed - row.credit + row.pass_through - row.contra_revenue;
    schedule.months.push_back(row);
  }
  AddLoan(contract, &schedule);
  return schedule;
}

Obligations ObligationsAt(const Schedule& schedule, Month from) {
  Obligations out;
  for (const ScheduleMonth& row : schedule.months) {
    const int ahead = row.month - from;
    if (ahead < 0) continue;
    out.total += row.committed;
    (ahead < 24 ? out.next_two_years : ahead < 48 ? out.two_after : out.later) += row.committed;
  }
  return out;
}

}  // namespace waferline::contracts
