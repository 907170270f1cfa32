#include "wafer_backend/hardware/placement/split_side.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/placement/placement.h"
#include "wafer_backend/hardware/placement/speed.h"

namespace waferline::placement {
namespace {

constexpr int kMaxDevices = 65536;
constexpr int64_t kUnbounded = int64_t{1} << 40;

timing::SideWork WorkOf(const timing::StageCost& stage) {
  timing::SideWork work{.token_seconds = stage.busy.base_seconds,
                        .position_seconds = stage.busy.seconds_per_position};
  if (!stage.busy.windowed.empty()) {
    work.position_seconds = stage.busy.windowed.front().seconds_per_position;
    work.window = stage.busy.windowed.front().window;
  }
  return work;
}

// The kinds' works from the stages of the layers. The first stage waits for the embedding too: what
// it takes more than others of its kind counts with the output, once a token.
void AddWork(const timing::DecodeCosts& costs, const timing::ModelLayers& layers, bool vocabulary,
             SplitSide* side) {
  side->kinds.resize(layers.kinds.size());
  size_t layer = layers.kind_of.size();  // from the last, so that the first finds its like
  for (size_t i = costs.stages.size(); i-- > 0;) {
    const timing::SideWork work = WorkOf(costs.stages[i]);
    if (costs.stages[i].layers == 0) {
      side->output = work;
      continue;
    }
    timing::SideWork& slowest = side->kinds[layers.kind_of[--layer]];
    const bool known = slowest.token_seconds > 0;
    if (vocabulary && layer == 0 && known) {
      side->output.token_seconds += std::max(0.0, work.token_seconds - slowest.token_seconds);
    } else if (work.token_seconds > slowest.token_seconds) {
      slowest = work;
    }
  }
}

absl::StatusOr<SplitSide> OnWafers(const SideTask& task) {
  const silicon::WaferSpec& wafer = *task.hardware.wafer();
  const PlacementTask place{.shape = task.shape,
                            .wafer = wafer,
                            .profile = *task.profile,
                            .context = task.context,
                            .wafers = task.devices,
                            .bytes_per_weight = task.bytes_per_weight,
                            .bytes_per_kv_value = task.bytes_per_kv_value,
                            .layer_part = task.part};
  WL_ASSIGN_OR_RETURN(const Placement placement, Place(place));
  const timing::DecodeCosts costs = SpeedOf(place, placement).costs;
  SplitSide side{.hardware = task.hardware.name,
                 .devices = static_cast<int>(costs.wafers),
                 .wafers = true,
                 .by_layer = !task.profile->shared_grid,
                 .watts = wafer.power_decode_watts.value * costs.wafers,
                 .usd_per_hour = wafer.usd_per_system_hour.value * costs.wafers};
  AddWork(costs, SharesOf(place), timing::HasVocabulary(task.part), &side);
  side.memory.resize(static_cast<size_t>(costs.wafers));
  for (const timing::StageCost& stage : costs.stages) {
    SideMemory& memory = side.memory.at(static_cast<size_t>(stage.wafer));
    memory.capacity_bytes += stage.capacity_bytes;
    memory.weight_bytes += stage.weight_bytes;
    memory.kv_bytes_per_position += stage.kv_bytes_per_position;
  }
  return side;
}

SideMemory MemoryOf(const SideTask& task, const timing::ModelLayers& layers) {
  SideMemory memory;
  for (const uint8_t i : layers.kind_of) {
    const timing::LayerKind& kind = layers.kinds[i];
    const auto context = static_cast<double>(task.context);
    const double kept =
        kind.window > 0 ? std::min(1.0, static_cast<double>(kind.window) / context) : 1;
    memory.weight_bytes += kind.parameters() * task.bytes_per_weight;
    memory.kv_bytes_per_position += kept * kind.kv_values_per_position * task.bytes_per_kv_value;
  }
  if (timing::HasVocabulary(task.part)) {
    memory.weight_bytes += timing::VocabularyParameters(task.shape) *
                           (task.shape.tied_embeddings ? 1 : 2) * task.bytes_per_weight;
  }
  return memory;
}

absl::StatusOr<SplitSide> OnAccelerators(const SideTask& task) {
  const silicon::AcceleratorSpec& device = *task.hardware.accelerator();
  timing::ModelLayers layers = timing::LayersOf(task.shape);
  for (timing::LayerKind& kind : layers.kinds) kind = timing::PartOf(kind, task.part);
  SideMemory memory = MemoryOf(task, layers);
  const double needed =
      memory.weight_bytes + memory.kv_bytes_per_position * static_cast<double>(task.context);
  const double fewest = std::ceil(needed / device.memory_bytes.value);
  if (fewest > kMaxDevices || (task.devices > 0 && task.devices < fewest)) {
    return absl::ResourceExhaustedError(absl::StrFormat(
        "%s: weights %.4g GB and one sequence of %d positions %.4g GB need %.0f x %.4g GB%s",
        task.hardware.name, memory.weight_bytes / 1e9, task.context,
        (needed - memory.weight_bytes) / 1e9, fewest, device.memory_bytes.value / 1e9,
        task.devices > 0 ? absl::StrFormat("; there are %d", task.devices) : ""));
  }
  const int devices = task.devices > 0 ? task.devices : static_cast<int>(fewest);
  memory.capacity_bytes = device.memory_bytes.value * devices;
  const timing::Holding holding{.devices = devices,
                                .layers = task.shape.layers,
                                .hidden = task.shape.hidden,
                                .bytes_per_weight = task.bytes_per_weight,
                                .bytes_per_kv_value = task.bytes_per_kv_value};
  SplitSide side{.hardware = task.hardware.name,
                 .devices = devices,
                 .by_layer = device.chip_hop_seconds.has_value(),
                 .memory = {memory},
                 .watts = device.power_watts.value * devices,
                 .usd_per_hour = device.usd_per_hour.value * devices};
  for (const timing::LayerKind& kind : layers.kinds) {
    side.kinds.push_back(timing::WorkOf(kind, device, holding));
  }
  if (timing::HasVocabulary(task.part)) {
    side.output = timing::OutputWorkOf(task.shape, device, holding);
  }
  return side;
}

}  // namespace

int64_t SplitSide::UsersByMemory(int64_t context) const {
  double users = static_cast<double>(kUnbounded);
  for (const SideMemory& one : memory) {
    if (one.kv_bytes_per_position == 0) continue;
    users = std::min(users, (one.capacity_bytes - one.weight_bytes) /
                                (one.kv_bytes_per_position * static_cast<double>(context)));
  }
  return static_cast<int64_t>(std::max(0.0, users));
}

double StepSeconds(const SplitSide& side, const std::vector<uint8_t>& kind_of, int64_t users,
                   int64_t context) {
  const double together = static_cast<double>(side.by_layer ? 1 : users);
  const timing::MicroBatch batch{together, together * static_cast<double>(context)};
  double pass = side.output.At(batch), slowest = pass;
  for (const uint8_t kind : kind_of) {
    const double layer = side.kinds[kind].At(batch);
    pass += layer;
    slowest = std::max(slowest, layer);
  }
  return side.by_layer ? std::max(pass, static_cast<double>(users) * slowest) : pass;
}

absl::StatusOr<SplitSide> SideOf(const SideTask& task) {
  WL_RETURN_IF_ERROR(timing::CheckShape(task.shape));
  if (task.context < 1) return absl::InvalidArgumentError("context must be at least 1");
  return task.hardware.wafer() != nullptr ? OnWafers(task) : OnAccelerators(task);
}

}  // namespace waferline::placement
