#include "server/planner/demand.h"

#include "absl/strings/str_cat.h"
#include "server/planner/parameter_form.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/emulator/hardware_costs.h"
#include "wafer_backend/hardware/silicon/hardware_file.h"
#include "wafer_backend/hardware/timing/model_shape_file.h"

namespace waferline::planner {
namespace {

constexpr int64_t kMaxBatch = 1 << 20;
constexpr double kSmallest = 1e-6;

// Accelerators that share one copy of the model.
struct Node {
  silicon::AcceleratorSpec device;
  int devices = 1;
  timing::ModelSizes shape;
  double context = 0;
  double seconds_per_token = 0;

  static double Step(const timing::BatchCosts& costs, double batch, double positions) {
    timing::Rows rows;
    rows.Add({batch, batch * positions});
    return costs.StepSeconds(rows, batch);
  }
  // 0 if not even one user's tokens are in time.
  double TokensPerSecond() const {
    const timing::BatchCosts costs = emulator::RooflineOf(shape, device, devices);
    const auto holds = [&](int64_t batch) {
      const auto users = static_cast<double>(batch);
      const double kv = users * context * costs.kv_bytes_per_position;
      return costs.weight_bytes + kv <= device.memory_bytes.value * devices &&
             Step(costs, users, context) <= seconds_per_token;
    };
    int64_t low = 0, high = kMaxBatch;
    while (high - low > 1) {
      const int64_t middle = (low + high) / 2;
      (holds(middle) ? low : high) = middle;
    }
    return low == 0 ? 0 : static_cast<double>(low) / Step(costs, static_cast<double>(low), context);
  }
};

// With the uncertain facts at one end of their ranges: `pick` is &Fact::low or &Fact::high.
double SpeedAt(Node node, double Fact::*good, double Fact::*bad) {
  silicon::AcceleratorSpec& device = node.device;
  for (Fact* fact : {&device.compute_efficiency, &device.memory_efficiency}) {
    fact->value = fact->*good;
  }
  device.layer_seconds.value = device.layer_seconds.*bad;
  return node.TokensPerSecond();
}

absl::StatusOr<timing::ModelSizes> ModelOf(const Plan& plan) {
  if (!plan.finance || plan.finance->models.empty()) {
    return absl::InvalidArgumentError("demand needs finance and serving");
  }
  return timing::LoadModelShape(plan.finance->models.front().name);
}

absl::StatusOr<Node> ReadNode(YamlForm& form, const Plan& plan) {
  WL_ASSIGN_OR_RETURN(const silicon::Hardware hardware,
                      silicon::LoadHardware(form.Text("hardware")));
  if (hardware.accelerator() == nullptr) {
    return absl::InvalidArgumentError(hardware.name + " is a wafer; an accelerator is needed");
  }
  WL_ASSIGN_OR_RETURN(const timing::ModelSizes shape, ModelOf(plan));
  return Node{.device = *hardware.accelerator(),
              .shape = shape,
              .context = static_cast<double>(plan.finance->context)};
}

Fact Times(const Fact& fact, double factor) {
  return {fact.value * factor, fact.low * factor, fact.high * factor, fact.mark, fact.source};
}

}  // namespace

void ReadDemand(YamlForm form, Plan* plan) {
  Demand demand;
  ParameterForm of{form, plan, "demand."};
  demand.tokens_per_day = of.Read("tokens_per_day", {1, 1e20});
  demand.peak_over_mean = of.Read("peak_over_mean", {1, 100});
  demand.low_latency_share = of.Read("low_latency_share", kShare);

  YamlForm tier = form.Map("gpu_tier");
  absl::StatusOr<Node> node = ReadNode(tier, *plan);
  // A model that there is not is a fault of `serving`, which names it.
  if (!node.ok() && !absl::IsNotFound(ModelOf(*plan).status())) {
    tier.AddError("hardware", std::string(node.status().message()));
  }
  const std::string hardware = tier.Text("hardware");
  const auto devices = static_cast<int>(tier.Integer("devices", 1, 1024));
  const double milliseconds = tier.Plain("ms_per_token", {0.01, 1e5});
  tier.RefuseOthers();
  form.RefuseOthers();
  if (!node.ok()) return;

  node->devices = devices;
  node->seconds_per_token = milliseconds * 1e-3;
  Fact speed{
      .value = node->TokensPerSecond(),
      .low = SpeedAt(*node, &Fact::low, &Fact::high),
      .high = SpeedAt(*node, &Fact::high, &Fact::low),
      .mark = Mark::kDerived,
      .source = absl::StrCat("roofline: ", plan->finance->models.front().name, " on ", devices,
                             " x ", hardware, ", at most ", milliseconds, " ms a token")};
  if (speed.low < kSmallest) {
    tier.AddError("ms_per_token",
                  "not one user gets a token in that time, or the model does not "
                  "fit these devices");
    return;
  }
  demand.node = absl::StrCat(devices, " x ", hardware);
  ParameterForm gpu{tier, plan, "demand.gpu_tier."};
  demand.node_tokens_per_second = gpu.Add("tokens_per_second", speed, {kSmallest, 1e9});
  demand.node_watts = gpu.Add("watts", Times(node->device.power_watts, devices), {1, 1e8});
  demand.node_usd_per_hour =
      gpu.Add("usd_per_hour", Times(node->device.usd_per_hour, devices), {0, 1e6});
  plan->demand = std::move(demand);
}

}  // namespace waferline::planner
