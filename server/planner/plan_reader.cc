#include "server/planner/plan_reader.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "server/planner/contracted.h"
#include "server/planner/demand.h"
#include "server/planner/finance.h"
#include "server/planner/parameter_form.h"
#include "server/planner/silicon_yield.h"
#include "server/planner/stage_order.h"
#include "wafer_backend/base/built_in_files.h"
#include "wafer_backend/base/name_table.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/base/yaml_optional.h"

namespace waferline::planner {
namespace {

constexpr size_t kMaxHalls = 200;

void ReadRate(YamlForm& form, ParameterForm parameters, Stage* stage) {
  std::vector<YamlForm> steps = form.List("rate");
  if (steps.empty()) form.AddError("rate", "needs at least one step {week, per_week}");
  int before = -1;
  for (size_t i = 0; i < steps.size(); ++i) {
    const int week = static_cast<int>(steps[i].Integer("week", 0, kMaxWeeks));
    if (week <= before) steps[i].AddError("week", "must be after the step before it");
    before = week;
    ParameterForm step{steps[i], parameters.plan, absl::StrCat(parameters.prefix, "rate.", i, ".")};
    stage->rate.push_back({week, step.Read("per_week", kUnits)});
    steps[i].RefuseOthers();
  }
}

Par ReadGood(YamlForm& form, ParameterForm parameters) {
  if (!form.Has("good_from")) return parameters.ReadOr("good", 1, kShare);
  if (form.Has("good")) form.AddError("good_from", "has no meaning next to good");
  const absl::StatusOr<Fact> yield = SellableShare(form.Text("good_from"));
  if (!yield.ok()) form.AddError("good_from", std::string(yield.status().message()));
  return parameters.Add("good", yield.ok() ? *yield : Fact{.value = 1, .low = 1, .high = 1},
                        kShare);
}

// All of a stage but the names of other stages, which are looked up when all are read.
Stage ReadStage(YamlForm& form, Plan* plan) {
  Stage stage{.name = form.Text("name"), .supplier = form.Text("supplier")};
  ParameterForm parameters{form, plan, absl::StrCat("stages.", stage.name, ".")};
  ReadRate(form, parameters, &stage);
  stage.lead_weeks = parameters.Read("lead_weeks", kWeeks);
  stage.good = ReadGood(form, parameters);
  stage.rework_weeks = parameters.ReadOr("rework_weeks", 0, kWeeks);
  stage.stock = parameters.ReadOr("stock", 0, kUnits);
  stage.enabled = parameters.ReadOr("enabled", 1, kShare);
  stage.unit_cost_usd = parameters.ReadOr("unit_cost_usd", 0, kSystemUsd);
  stage.one_off_usd = parameters.ReadOr("one_off_usd", 0, kUsd);
  stage.max_stock = form.IntegerOr("max_stock", kNoMaxStock, 0, kNoMaxStock);
  if (form.Has("losses")) {
    std::vector<YamlForm> losses = form.List("losses");
    for (size_t i = 0; i < losses.size(); ++i) {
      ParameterForm loss{losses[i], plan, absl::StrCat(parameters.prefix, "losses.", i, ".")};
      const int week = static_cast<int>(losses[i].Integer("week", 0, kMaxWeeks));
      stage.losses.push_back({week, loss.Read("share", kShare)});
      losses[i].RefuseOthers();
    }
  }
  return stage;
}

size_t StageNamed(YamlForm& form, const std::string& field, const std::vector<Stage>& stages) {
  const std::string name = form.Text(field);
  std::vector<std::string_view> names;
  for (size_t i = 0; i < stages.size(); ++i) {
    if (stages[i].name == name) return i;
    names.push_back(stages[i].name);
  }
  form.AddError(field, NotOneOf(name, names));
  return 0;
}

void ReadLinks(YamlForm& form, Plan* plan, size_t index) {
  Stage& stage = plan->stages[index];
  if (form.Has("needs")) {
    for (YamlForm& need : form.List("needs")) {
      const size_t other = StageNamed(need, "stage", plan->stages);
      ParameterForm parameters{
          need, plan,
          absl::StrCat("stages.", stage.name, ".needs.", plan->stages[other].name, ".")};
      stage.needs.push_back({other, parameters.Read("units", {1, 1e5})});
      need.RefuseOthers();
    }
  }
  if (form.Has("into")) {
    stage.into = StageNamed(form, "into", plan->stages);
    if (stage.into == index || !stage.needs.empty()) {
      form.AddError("into", "must name another stage, and a second source has no needs");
    }
  }
  form.RefuseOthers();
}

void ReadStages(YamlForm& root, Plan* plan) {
  std::vector<YamlForm> forms = root.List("stages");
  if (forms.empty() || forms.size() > kMaxStages) {
    root.AddError("stages", absl::StrCat("must be 1 to ", kMaxStages, " stages"));
    return;
  }
  std::set<std::string> names;
  for (YamlForm& form : forms) {
    plan->stages.push_back(ReadStage(form, plan));
    if (!names.insert(plan->stages.back().name).second) form.AddError("name", "is given twice");
  }
  for (size_t i = 0; i < forms.size(); ++i) ReadLinks(forms[i], plan, i);
  const OrderFault fault = OrderStages(&plan->stages);
  if (!fault.message.empty()) forms[fault.stage].AddError(fault.field, fault.message);
}

Hall ReadHall(YamlForm& form, Plan* plan) {
  Hall hall{.name = form.Text("name")};
  ParameterForm parameters{form, plan, absl::StrCat("halls.", hall.name, ".")};
  hall.built = ChoiceOr<bool>(form, "how", false, {{"lease", false}, {"build", true}});
  if (hall.built) {
    hall.start_week = parameters.Read("start_week", kWeeks);
    hall.fit_out = parameters.Read("fit_out", kWeeks);
    hall.mw = parameters.Read("mw", kMw);
    hall.capex_usd_per_mw = parameters.Read("capex_usd_per_mw", {0, 1e9});
    YamlForm phases = form.Map("phases");
    ParameterForm of{phases, plan, parameters.prefix + "phases."};
    for (const char* phase : {"grid", "transformer", "switchgear", "building"}) {
      hall.phases.push_back(of.Read(phase, kWeeks));
    }
    phases.RefuseOthers();
  } else {
    hall.usd_per_mw_month = parameters.Read("usd_per_mw_month", {0, 1e9});
    std::vector<YamlForm> steps = form.List("steps");
    for (size_t i = 0; i < steps.size(); ++i) {
      ParameterForm step{steps[i], plan, absl::StrCat(parameters.prefix, "steps.", i, ".")};
      const Par week = step.Read("week", kWeeks);
      hall.steps.push_back({week, step.Read("mw", kMw)});
      steps[i].RefuseOthers();
    }
  }
  form.RefuseOthers();
  return hall;
}

absl::StatusOr<Plan> Parse(const std::string& name, std::string_view text, int depth);

absl::StatusOr<Plan> BasePlan(YamlForm& root, int depth) {
  constexpr int kMaxDepth = 4;
  if (depth == kMaxDepth) {
    return absl::InvalidArgumentError(
        absl::StrCat("extends: more than ", kMaxDepth, " plans extend each other"));
  }
  WL_ASSIGN_OR_RETURN(const NamedText base, LoadNamedText("plans", root.Text("extends")));
  return Parse(base.name, base.text, depth + 1);
}

// What a plan that extends another changes in it.
void ReadChanges(YamlForm& root, Plan* plan) {
  if (root.Has("set")) {
    for (YamlForm& form : root.List("set")) {
      const std::string name = form.Text("parameter");
      const Fact fact = form.Number("to", {0, 1e13});
      std::vector<std::string_view> names;
      for (Parameter& parameter : plan->parameters) {
        names.push_back(parameter.name);
        if (parameter.name != name) continue;
        if (fact.low < parameter.min || fact.high > parameter.max) {
          form.AddError("to", RangeFault(parameter));
          continue;
        }
        parameter.fact = fact;
        parameter.stated = true;
      }
      if (std::find(names.begin(), names.end(), name) == names.end()) {
        form.AddError("parameter", "is not in the plan" + DidYouMean(name, names));
      }
      form.RefuseOthers();
    }
  }
  if (!root.Has("rates")) return;
  for (YamlForm& form : root.List("rates")) {
    Stage& stage = plan->stages[StageNamed(form, "stage", plan->stages)];
    const int week = static_cast<int>(form.Integer("week", 0, kMaxWeeks));
    if (!stage.rate.empty() && week <= stage.rate.back().week) {
      form.AddError("week",
                    absl::StrCat("must be after the stage's last step, ", stage.rate.back().week));
    }
    ParameterForm step{form, plan,
                       absl::StrCat("stages.", stage.name, ".rate.", stage.rate.size(), ".")};
    stage.rate.push_back({week, step.Read("per_week", kUnits)});
    form.RefuseOthers();
  }
}

void ReadOutages(YamlForm& root, Plan* plan) {
  for (YamlForm& form : root.List("outages")) {
    Outage outage;
    const std::string name = form.Text("stage");
    outage.halls = name == "halls";
    if (!outage.halls) outage.stages = {StageNamed(form, "stage", plan->stages)};
    outage.week = static_cast<int>(form.Integer("week", 0, kMaxWeeks));
    outage.weeks = static_cast<int>(form.Integer("weeks", 1, kMaxWeeks));
    plan->outages.push_back(std::move(outage));
    form.RefuseOthers();
  }
}

absl::StatusOr<Plan> Parse(const std::string& name, std::string_view text, int depth) {
  YamlFile file(name, text);
  YamlForm root = file.root();
  Plan plan;
  if (root.Has("extends")) {
    absl::StatusOr<Plan> base = BasePlan(root, depth);
    if (!base.ok()) return base.status();
    plan = *std::move(base);
    ReadChanges(root, &plan);
  }
  plan.name = name;
  plan.title = root.Text("title");
  if (root.Has("weeks")) plan.weeks = static_cast<int>(root.Integer("weeks", 1, kMaxWeeks));
  if (!root.Has("extends")) {
    const absl::StatusOr<int64_t> start = ParseInstant(root.Text("start"));
    if (!start.ok()) root.AddError("start", std::string(start.status().message()));
    plan.start_us = start.value_or(0);
    ParameterForm parameters{root, &plan, ""};
    plan.kw_per_system = parameters.Read("kw_per_system", {0.1, 1e4});
    ReadStages(root, &plan);
  }
  const bool required = !root.Has("extends");
  if (required || root.Has("contracted")) ReadPromises(root, &plan);
  if (required || root.Has("halls")) {
    for (YamlForm& form : root.List("halls")) plan.halls.push_back(ReadHall(form, &plan));
    if (plan.halls.size() > kMaxHalls) {
      root.AddError("halls", absl::StrCat("must be at most ", kMaxHalls));
    }
  }
  if (root.Has("outages")) ReadOutages(root, &plan);
  if (root.Has("finance") || root.Has("serving")) ReadFinance(root, &plan);
  if (root.Has("demand")) ReadDemand(root.Map("demand"), &plan);
  root.RefuseOthers();
  WL_RETURN_IF_ERROR(file.status());
  return plan;
}

}  // namespace

absl::StatusOr<Plan> ParsePlan(const std::string& name, std::string_view text) {
  return Parse(name, text, 0);
}

absl::StatusOr<Plan> LoadPlan(const std::string& name_or_path) {
  WL_ASSIGN_OR_RETURN(const NamedText text, LoadNamedText("plans", name_or_path));
  return ParsePlan(text.name, text.text);
}

}  // namespace waferline::planner
