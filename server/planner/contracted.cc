#include "server/planner/contracted.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "server/contracts/capacity.h"
#include "server/contracts/contract_reader.h"
#include "server/contracts/schedule.h"
#include "server/planner/parameter_form.h"
#include "wafer_backend/base/yaml_optional.h"

namespace waferline::planner {
namespace {

constexpr double kKwAMw = 1000;
constexpr double kMicrosecondsAWeek = 7.0 * kMicrosecondsPerDay;

Fact Derived(double value, std::string source) {
  return {.value = value,
          .low = value,
          .high = value,
          .mark = Mark::kDerived,
          .source = std::move(source)};
}

// Whole weeks from the plan's start; one before it is 0.
double WeekOf(const Plan& plan, int64_t instant_us) {
  const double weeks = static_cast<double>(instant_us - plan.start_us) / kMicrosecondsAWeek;
  return std::clamp(std::round(weeks), 0.0, static_cast<double>(kMaxWeeks));
}

// What `kw` more, delivered so, is to the plan.
struct Capacity {
  std::string name;
  int64_t kw = 0;
  contracts::Delivery delivery;
};

void AddCapacity(const contracts::Contract& contract, const Capacity& part,
                 ParameterForm parameters) {
  const std::string source = absl::StrCat("contract ", contract.name);
  const double pue = contract.facility ? contract.pue.value : 1;
  Plan* plan = parameters.plan;
  parameters.prefix = absl::StrCat("contracted.", part.name, ".");
  Promise promise{.name = part.name, .customer = contract.buyer, .group = contract.group};
  promise.mw =
      parameters.Add("mw", Derived(static_cast<double>(part.kw) / kKwAMw / pue, source), kMw);
  promise.from_week = parameters.Add(
      "from_week", Derived(WeekOf(*plan, part.delivery.from.begin_us()), source), kWeeks);
  promise.to_week =
      parameters.Add("to_week", Derived(WeekOf(*plan, part.delivery.to.end_us()), source), kWeeks);
  promise.lost_week = parameters.ReadOr("lost_week", kMaxWeeks, kWeeks);
  plan->promises.push_back(std::move(promise));
}

void ReadContract(YamlForm& form, const std::string& name, Plan* plan) {
  const absl::StatusOr<contracts::Contract> contract =
      contracts::LoadContract(form.Text("contract"));
  if (!contract.ok()) {
    form.AddError("contract", std::string(contract.status().message()));
    return;
  }
  const ParameterForm parameters{form, plan, ""};
  AddCapacity(*contract, {name, contract->committed_kw, contract->delivery}, parameters);
  for (const contracts::Option& option : contract->options) {
    if (!option.exercised) continue;
    AddCapacity(*contract, {absl::StrCat(name, ".", option.name), option.extra_kw, option.delivery},
                parameters);
  }
}

void ReadTyped(YamlForm& form, const std::string& name, Plan* plan) {
  Promise promise{.name = name};
  promise.customer = TextOr(form, "customer", name);
  promise.group = TextOr(form, "group", promise.customer);
  ParameterForm parameters{form, plan, absl::StrCat("contracted.", name, ".")};
  promise.mw = parameters.Read("mw", kMw);
  promise.from_week = parameters.Read("from_week", kWeeks);
  promise.to_week = parameters.Read("to_week", kWeeks);
  promise.lost_week = parameters.ReadOr("lost_week", kMaxWeeks, kWeeks);
  plan->promises.push_back(std::move(promise));
}

double UsdPerSystemHour(contracts::Contract contract, double term_months) {
  contract.term_months.value = term_months;
  for (contracts::Option& option : contract.options) option.exercised = false;
  int64_t twice_kwh = 0;
  for (const contracts::CapacityMonth& month : contracts::CapacityOf(contract, false)) {
    twice_kwh += month.weight();
  }
  const auto schedule = contracts::ScheduleOf(contract, {});
  if (!schedule.ok() || twice_kwh == 0) return 0;
  const double hours = static_cast<double>(twice_kwh) / 2 * 1000 /
                       static_cast<double>(contracts::WattsPerSystem(contract));
  return schedule->total.as_double() / 100 / hours;
}

}  // namespace

void ReadPromises(YamlForm& root, Plan* plan) {
  for (YamlForm& form : root.List("contracted")) {
    const std::string name = form.Text("name");
    const size_t before = plan->promises.size();
    form.Has("contract") ? ReadContract(form, name, plan) : ReadTyped(form, name, plan);
    for (size_t i = before; i < plan->promises.size(); ++i) {
      const Promise& promise = plan->promises[i];
      if (plan->parameters[promise.from_week.index].fact.value >=
          plan->parameters[promise.to_week.index].fact.value) {
        form.AddError("to_week", "must be after from_week");
      }
    }
    form.RefuseOthers();
  }
}

Fact PriceOfSystemHour(const contracts::Contract& contract) {
  const Fact& term = contract.term_months;
  Fact price = Derived(UsdPerSystemHour(contract, term.value),
                       absl::StrCat("contract ", contract.name, ": its price over the hours of ",
                                    "its systems, for a term of ", term.value, " months"));
  price.high = std::max(price.value, UsdPerSystemHour(contract, term.low));
  price.low = std::min(price.value, UsdPerSystemHour(contract, term.high));
  return price;
}

}  // namespace waferline::planner
