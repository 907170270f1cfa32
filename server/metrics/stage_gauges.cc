// Series of the stages of decode units. A large fleet has thousands of stages, most of them of
// units that never worked: such a unit's are one series, stage "all", with their sum.
#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/metrics/snapshot_gauges.h"

namespace waferline::metrics {
namespace {

constexpr char kBusy[] = "waferline_emulated_stage_busy_seconds_total";
constexpr char kBubble[] = "waferline_stage_bubble_ratio";
constexpr char kSram[] = "waferline_sram_bytes";
constexpr const char* kOwners[] = {"weights", "buffers", "kv", "free"};

Labels With(Labels labels, const char* key, std::string value) {
  labels[key] = std::move(value);
  return labels;
}

Bytes OwnedBy(const engine::StageOccupancy& stage, size_t owner) {
  const Bytes owned[] = {stage.weights, stage.buffers, stage.kv_used,
                         stage.capacity - stage.weights - stage.buffers - stage.kv_used};
  return owned[owner];
}

}  // namespace

void SnapshotGauges::SetStages(const Labels& unit_labels, const engine::UnitSnapshot& unit,
                               Nanoseconds now) {
  if (!Wants(kBusy) && !Wants(kBubble) && !Wants(kSram)) return;
  const bool idle = !unit.stage_busy.empty() &&
                    std::all_of(unit.stage_busy.begin(), unit.stage_busy.end(),
                                [](Nanoseconds worked) { return worked == Nanoseconds(0); });
  const auto sram = [&](const Labels& stage, size_t owner, Bytes bytes) {
    Put(kSram, "SRAM of a stage of the decode unit, by owner; stage \"all\" until the unit works.",
        With(stage, "owner", kOwners[owner]), bytes.as_double());
  };
  const auto busy = [&](const Labels& stage, Nanoseconds worked) {
    const double seconds = ToSeconds(worked);
    Count(kBusy, "Emulated time for which a stage of the decode unit worked.", stage, seconds);
    // A token that has entered is booked in full at once, so the sum may be a little ahead of now.
    const double share = now > Nanoseconds(0) ? seconds / ToSeconds(now) : 0;
    Put(kBubble,
        "Share of the emulated time since the start in which a stage of the decode unit was empty.",
        stage, std::clamp(1 - share, 0.0, 1.0));
  };
  const Labels all = With(unit_labels, "stage", "all");
  if (idle) {
    busy(all, Nanoseconds(0));
    for (size_t owner = 0; owner < std::size(kOwners) && !unit.stages.empty(); ++owner) {
      Bytes sum;
      for (const engine::StageOccupancy& stage : unit.stages) sum += OwnedBy(stage, owner);
      sram(all, owner, sum);
    }
    return;
  }
  Drop(kBusy, all);
  Drop(kBubble, all);
  for (const char* owner : kOwners) Drop(kSram, With(all, "owner", owner));
  for (size_t i = 0; i < unit.stage_busy.size(); ++i) {
    busy(With(unit_labels, "stage", absl::StrCat(i)), unit.stage_busy[i]);
  }
  for (size_t i = 0; i < unit.stages.size(); ++i) {
    const Labels stage = With(unit_labels, "stage", absl::StrCat(i));
    for (size_t owner = 0; owner < std::size(kOwners); ++owner) {
      sram(stage, owner, OwnedBy(unit.stages[i], owner));
    }
  }
}

}  // namespace waferline::metrics
