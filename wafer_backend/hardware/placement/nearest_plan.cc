#include "wafer_backend/hardware/placement/nearest_plan.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/hardware/timing/weight_types.h"

namespace waferline::placement {
namespace {

// The largest value below `from` of one of the task's numbers with which it fits; 0 if none does.
int64_t LargestThatFits(PlacementTask task, int64_t PlacementTask::*number) {
  int64_t fits = 0, too_many = task.*number;
  while (fits + 1 < too_many) {
    task.*number = fits + (too_many - fits) / 2;
    (TryPlace(task).has_value() ? fits : too_many) = task.*number;
  }
  return fits;
}

std::vector<std::string> PlansThatFit(const PlacementTask& task) {
  std::vector<std::string> plans;
  if (const int64_t users = LargestThatFits(task, &PlacementTask::users); users > 0) {
    plans.push_back(absl::StrCat(users, " user(s)"));
  }
  if (const int64_t context = LargestThatFits(task, &PlacementTask::context); context > 0) {
    plans.push_back(absl::StrCat("a context of ", context));
  }
  if (task.wafers > 0) {
    PlacementTask more = task;
    more.wafers = 0;
    if (const auto placed = TryPlace(more))
      plans.push_back(absl::StrCat(placed->wafers(), " wafers"));
  }
  for (const timing::WeightType& type : timing::WeightTypes()) {
    PlacementTask smaller = task;
    smaller.bytes_per_weight = type.bytes;
    if (type.bytes < task.bytes_per_weight && TryPlace(smaller).has_value()) {
      plans.push_back(absl::StrCat(Absl(type.name), " weights"));
      break;
    }
  }
  for (int tensor = task.tensor * 2; task.wafers == 0; tensor *= 2) {
    PlacementTask wider = task;
    wider.tensor = tensor;
    if (tensor > kMaxTensor || tensor > task.shape.heads || tensor * task.replicas > kMaxWafers)
      break;
    if (const auto placed = TryPlace(wider)) {
      plans.push_back(
          absl::StrCat(tensor, " wafers to a layer (", placed->wafers(), " wafers in all)"));
      break;
    }
  }
  return plans;
}

}  // namespace

absl::Status Refusal(const PlacementTask& task) {
  const LoadSummary load = LoadOf(task);
  const int unit = task.replicas * task.tensor;
  const int depth = task.wafers / unit;
  const int64_t users = (task.users + task.replicas - 1) / task.replicas;
  std::string why;
  if (depth > load.pieces) {
    return absl::InvalidArgumentError(absl::StrCat(
        "wafers is ", task.wafers, ", but ", task.shape.name, " has only ", load.pieces,
        " pieces to lay on them, so ", task.wafers - load.pieces * unit,
        " would be empty; give at most ", load.pieces * unit, ", or more replicas or tensor"));
  }
  if (load.largest_piece_bytes > load.usable_bytes) {
    why = absl::StrFormat("its largest piece alone has %.3f GB", load.largest_piece_bytes * 1e-9);
  } else if (depth == 0) {
    why = absl::StrCat("even one layer a wafer is too much, or more than ", kMaxWafers, " wafers");
  } else if (load.weight_bytes + load.kv_bytes > depth * load.usable_bytes) {
    why = absl::StrFormat("%d x %.3f GB are %.3f GB", depth, load.usable_bytes * 1e-9,
                          depth * load.usable_bytes * 1e-9);
  } else {
    why = absl::StrFormat(
        "cut at layer boundaries into rectangles of whole cores, %d x %.3f GB are "
        "too tight",
        depth, load.usable_bytes * 1e-9);
  }
  const std::vector<std::string> plans = PlansThatFit(task);
  return absl::ResourceExhaustedError(absl::StrFormat(
      "%s does not fit: %.3f GB of weights + %.3f GB of KV (%d user(s) x %d positions) = %.3f "
      "GB%s, "
      "and a wafer holds %.3f GB in addition to code and buffers (%.3g %% of its SRAM); %s. %s",
      task.shape.name, load.weight_bytes * 1e-9, load.kv_bytes * 1e-9, users, task.context,
      (load.weight_bytes + load.kv_bytes) * 1e-9,
      unit > 1 ? absl::StrCat(" for each of ", task.tensor, " wafers of a place and ",
                              task.replicas, " replica(s)")
               : std::string(),
      load.usable_bytes * 1e-9, 100 * task.wafer.sram_weight_fraction.value, why,
      plans.empty() ? "No change of one number alone makes it fit"
                    : absl::StrCat("What would fit: ", absl::StrJoin(plans, "; or "))));
}

}  // namespace waferline::placement
