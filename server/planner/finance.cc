#include "server/planner/finance.h"

#include "absl/strings/str_cat.h"
#include "server/contracts/contract_reader.h"
#include "server/planner/contracted.h"
#include "server/planner/parameter_form.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/placement/prediction.h"
#include "wafer_backend/hardware/silicon/hardware_file.h"
#include "wafer_backend/hardware/timing/model_shape_file.h"
#include "wafer_backend/hardware/timing/profile_file.h"

namespace waferline::planner {
namespace {

constexpr Range kYears{0.5, 50};
constexpr Range kSmallUsd{0, 1e6};
constexpr Range kWatts{1, 1e6};
constexpr Range kSpeed{1e-3, 1e9};

struct ServingWafer {
  silicon::Hardware hardware;
  timing::Profile profile;
  int64_t context = 0;
};

struct PipelineSpeed {
  Fact tokens_per_second{.value = 1, .low = 1, .high = 1};  // of a system
  int wafers = 1;
};

absl::StatusOr<PipelineSpeed> SpeedOf(const ServingWafer& machine, const std::string& model) {
  WL_ASSIGN_OR_RETURN(const timing::ModelSizes shape, timing::LoadModelShape(model));
  WL_ASSIGN_OR_RETURN(const placement::Prediction p,
                      placement::Predict({.shape = shape,
                                          .wafer = *machine.hardware.wafer(),
                                          .profile = machine.profile,
                                          .kv = machine.context}));
  const placement::Estimate& all = p.full_per_second;
  const double wafers = p.wafers;
  return PipelineSpeed{
      .tokens_per_second = {.value = all.value / wafers,
                            .low = all.low / wafers,
                            .high = all.high / wafers,
                            .mark = Mark::kDerived,
                            .source = absl::StrCat("predicted: ", model, " on ", p.wafers, " x ",
                                                   machine.hardware.name, " (",
                                                   machine.profile.name, "), ", machine.context,
                                                   " cached positions, a full pipeline")},
      .wafers = p.wafers};
}

absl::StatusOr<ServingWafer> ReadServingWafer(YamlForm& form) {
  ServingWafer machine;
  WL_ASSIGN_OR_RETURN(machine.hardware, silicon::LoadHardware(form.Text("hardware")));
  if (machine.hardware.wafer() == nullptr) {
    return absl::InvalidArgumentError("hardware must be a wafer");
  }
  WL_ASSIGN_OR_RETURN(machine.profile, timing::LoadProfile(form.Text("profile")));
  machine.context = form.Integer("context", 1, 1 << 30);
  return machine;
}

void ReadServing(YamlForm form, Plan* plan, Finance* finance) {
  ParameterForm parameters{form, plan, "serving."};
  finance->utilisation = parameters.Read("utilisation", {0.01, 1});
  finance->idle_share = parameters.Read("idle_share", kShare);
  const absl::StatusOr<ServingWafer> machine = ReadServingWafer(form);
  if (!machine.ok()) form.AddError("hardware", std::string(machine.status().message()));
  Fact watts{.value = 1, .low = 1, .high = 1};
  if (machine.ok()) {
    watts = machine->hardware.wafer()->power_decode_watts;
    finance->context = machine->context;
  }
  finance->watts = parameters.Add("watts", watts, kWatts);
  for (YamlForm& entry : form.List("models")) {
    const std::string name = entry.Text("name");
    PipelineSpeed speed;
    if (machine.ok()) {
      const absl::StatusOr<PipelineSpeed> predicted = SpeedOf(*machine, name);
      if (!predicted.ok()) entry.AddError("name", std::string(predicted.status().message()));
      speed = predicted.value_or(speed);
    }
    ParameterForm of{entry, plan, absl::StrCat("serving.", name, ".")};
    finance->models.push_back(
        {name, of.Add("tokens_per_second", speed.tokens_per_second, kSpeed), speed.wafers});
    entry.RefuseOthers();
  }
  if (finance->models.empty()) form.AddError("models", "needs at least one model");
  form.RefuseOthers();
}

// A number, or what a contract's price comes to.
Par ReadPrice(ParameterForm of) {
  const std::string field = "price_usd_per_system_hour";
  YamlForm source = of.form.OptionalMap(field);
  if (!source.Has("contract")) return of.Read(field, kSmallUsd);
  const absl::StatusOr<contracts::Contract> contract =
      contracts::LoadContract(source.Text("contract"));
  source.RefuseOthers();
  if (contract.ok()) return of.Add(field, PriceOfSystemHour(*contract), kSmallUsd);
  source.AddError("contract", std::string(contract.status().message()));
  return of.Add(field, Fact{}, kSmallUsd);
}

void ReadEquity(YamlForm& form, Plan* plan, Finance* finance) {
  std::vector<YamlForm> rounds = form.List("equity");
  for (size_t i = 0; i < rounds.size(); ++i) {
    ParameterForm of{rounds[i], plan, absl::StrCat("finance.equity.", i, ".")};
    const absl::StatusOr<Month> month = ParseMonth(rounds[i].Text("month"));
    if (!month.ok()) rounds[i].AddError("month", std::string(month.status().message()));
    finance->equity.push_back({month.value_or(Month()), of.Read("usd", kUsd)});
    rounds[i].RefuseOthers();
  }
}

}  // namespace

void ReadFinance(YamlForm& root, Plan* plan) {
  Finance finance;
  YamlForm form = root.Map("finance");
  ParameterForm of{form, plan, "finance."};
  finance.other_cost_usd = of.Read("other_cost_usd", kSystemUsd);
  finance.life_years = of.Read("life_years", kYears);
  finance.hall_life_years = of.Read("hall_life_years", kYears);
  finance.prepay_share = of.Read("prepay_share", kShare);
  finance.staff_share = of.Read("staff_share", kShare);
  finance.price_usd_per_system_hour = ReadPrice(of);
  finance.contra_share = of.Read("contra_share", kShare);
  finance.pass_through_power = of.Read("pass_through_power", kShare);
  finance.pass_through_lease = of.Read("pass_through_lease", kShare);
  finance.spot_usd_per_million_tokens = of.Read("spot_usd_per_million_tokens", kSmallUsd);
  finance.payment_months = of.Read("payment_months", {0, 24});
  finance.pue = of.Read("pue", {1, 4});
  finance.usd_per_kwh = of.Read("usd_per_kwh", {0, 10});
  finance.opening_cash_usd = of.Read("opening_cash_usd", kUsd);
  ReadEquity(form, plan, &finance);
  form.RefuseOthers();
  ReadServing(root.Map("serving"), plan, &finance);
  plan->finance = std::move(finance);
}

}  // namespace waferline::planner
