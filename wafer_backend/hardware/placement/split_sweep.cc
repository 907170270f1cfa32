#include "wafer_backend/hardware/placement/split_sweep.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/placement/placement.h"
#include "wafer_backend/hardware/placement/speed.h"

namespace waferline::placement {
namespace {

constexpr int kMaxTimesTheFewest = 8;  // machines of an uncut device, over the fewest that fit

struct Machines {
  double watts = 0, usd_per_hour = 0;
};

Served ServedBy(int64_t users, double step_seconds, const Machines& machines) {
  Served served{.users = users,
                .tokens_per_second_user = 1 / step_seconds,
                .aggregate = static_cast<double>(users) / step_seconds};
  served.usd_per_million = machines.usd_per_hour / 3600 / served.aggregate * 1e6;
  served.joules = machines.watts / served.aggregate;
  return served;
}

// The cheapest number of users, doubling, that is fast enough. `step` gives a step's seconds.
Served LeastCostly(const SplitSweepTask& task, int64_t fit, const Machines& machines,
                   const std::function<double(int64_t)>& step) {
  Served best = ServedBy(1, step(1), machines);
  best.fast_enough = best.tokens_per_second_user >= task.min_user_speed;
  const int64_t most = std::min(fit, task.max_users);
  for (int64_t users = 2; best.fast_enough && users <= most; users *= 2) {
    const Served more = ServedBy(users, step(users), machines);
    if (more.tokens_per_second_user < task.min_user_speed) break;
    if (more.usd_per_million < best.usd_per_million) {
      best = more;
      best.fast_enough = true;
    }
  }
  return best;
}

struct SideChoice {
  timing::LayerPart part;
  int devices = 0;  // 0: as few as fit
  int64_t context = 0;
};

absl::StatusOr<SplitSide> SideFor(const SplitSweepTask& task, const silicon::Hardware& hardware,
                                  const SideChoice& choice) {
  return SideOf({.shape = task.shape,
                 .hardware = hardware,
                 .profile = hardware.wafer() != nullptr ? &task.profile : nullptr,
                 .part = choice.part,
                 .devices = choice.devices,
                 .context = choice.context,
                 .bytes_per_weight = task.bytes_per_weight});
}

SplitModel ModelOf(const SplitSweepTask& task, SplitSide attention, SplitSide ffn) {
  return {.kind_of = timing::LayersOf(task.shape).kind_of,
          .attention = std::move(attention),
          .ffn = std::move(ffn),
          .state = {task.shape.hidden, 2, 2},
          .link_bytes_per_second = task.link_bytes_per_second};
}

SplitRow RowOf(const SplitSweepTask& task, const SplitModel& model, int64_t context) {
  const Machines machines{model.watts(), model.usd_per_hour()};
  const int64_t fit =
      std::min(model.attention.UsersByMemory(context), model.ffn.UsersByMemory(context));
  const auto times = [&](int64_t users) {
    return TimesOf(model, {static_cast<int>(users), users * context, 1});
  };
  SplitRow row{.context = context,
               .attention_devices = model.attention.devices,
               .ffn_devices = model.ffn.devices,
               .micro_batches = model.micro_batches,
               .link_us = model.link_latency.as_double() / 1e3};
  row.served =
      LeastCostly(task, fit, machines, [&](int64_t users) { return ToSeconds(times(users).step); });
  const SplitTimes best = times(row.served.users);
  row.bound = best.bound();
  row.attention_idle = 1 - best.attention_busy.as_double() / best.step.as_double();
  row.ffn_idle = 1 - best.ffn_busy.as_double() / best.step.as_double();
  return row;
}

// A pipeline of wafers takes a token of each user a pass, or as often as its slowest stage does.
std::optional<UncutRow> UncutWafers(const SplitSweepTask& task, const silicon::Hardware& hardware,
                                    int wafers, int64_t context) {
  const PlacementTask place{.shape = task.shape,
                            .wafer = *hardware.wafer(),
                            .profile = task.profile,
                            .context = context,
                            .wafers = wafers,
                            .bytes_per_weight = task.bytes_per_weight};
  const absl::StatusOr<Placement> placement = Place(place);
  if (!placement.ok()) return std::nullopt;
  const timing::DecodeCosts costs = SpeedOf(place, *placement).costs;
  const double pass = ToSeconds(costs.TokenLatency(Tokens(context)));
  const double beat = ToSeconds(costs.StageTime(Tokens(context)));
  const Machines machines{hardware.wafer()->power_decode_watts.value * costs.wafers,
                          hardware.wafer()->usd_per_system_hour.value * costs.wafers};
  UncutRow row{.context = context, .hardware = hardware.name, .devices = costs.wafers};
  row.served = LeastCostly(task, UsersByMemory(*placement, 1), machines, [&](int64_t users) {
    return std::max(pass, static_cast<double>(users) * beat);
  });
  return row;
}

std::optional<UncutRow> UncutAccelerators(const SplitSweepTask& task,
                                          const silicon::Hardware& hardware, int devices,
                                          int64_t context) {
  const auto side = SideFor(task, hardware, {timing::LayerPart::kWhole, devices, context});
  if (!side.ok()) return std::nullopt;
  const std::vector<uint8_t> kind_of = timing::LayersOf(task.shape).kind_of;
  const auto step = [&](int64_t users) { return StepSeconds(*side, kind_of, users, context); };
  UncutRow row{.context = context, .hardware = hardware.name, .devices = side->devices};
  row.served =
      LeastCostly(task, side->UsersByMemory(context), {side->watts, side->usd_per_hour}, step);
  return row;
}

bool Better(const Served& a, const Served& b) {
  if (a.fast_enough != b.fast_enough) return a.fast_enough;
  return a.fast_enough ? a.usd_per_million < b.usd_per_million
                       : a.tokens_per_second_user > b.tokens_per_second_user;
}

// As many of these machines as are best.
std::optional<UncutRow> BestUncut(const SplitSweepTask& task, const silicon::Hardware& hardware,
                                  int64_t context) {
  const auto with = hardware.wafer() != nullptr ? UncutWafers : UncutAccelerators;
  std::optional<UncutRow> best = with(task, hardware, 0, context);
  if (!best.has_value()) return best;
  const int fewest = best->devices, step = std::max(1, fewest / 4);
  for (int devices = fewest + step; devices <= kMaxTimesTheFewest * fewest; devices += step) {
    const std::optional<UncutRow> row = with(task, hardware, devices, context);
    if (row.has_value() && Better(row->served, best->served)) best = row;
  }
  return best;
}

absl::Status CheckTask(const SplitSweepTask& task) {
  const size_t rows =
      task.contexts.size() * task.ratios.size() * task.micro_batches.size() * task.link_us.size();
  if (rows == 0) return absl::InvalidArgumentError("a sweep needs a value of each sort");
  if (rows <= kMaxSweepRows) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the sweep has ", rows, " combinations, must have at most ", kMaxSweepRows));
}

bool Wins(const SplitSweep& sweep, int64_t context, const std::string& hardware) {
  const SplitRow* const split = sweep.Best(context);
  const UncutRow* const uncut = sweep.Uncut(context, hardware);
  return split != nullptr && (uncut == nullptr || Better(split->served, uncut->served));
}

void FindBreakEven(const SplitSweepTask& task, SplitSweep* sweep) {
  bool first = true, both = true;
  for (size_t i = task.contexts.size(); i-- > 0;) {
    const int64_t context = task.contexts[i];
    first = first && Wins(*sweep, context, task.ffn.name);
    both = both && first && Wins(*sweep, context, task.attention.name);
    if (first) sweep->breaks_even_context = context;
    if (both) sweep->beats_both_context = context;
  }
}

}  // namespace

const SplitRow* SplitSweep::Best(int64_t context) const {
  const SplitRow* best = nullptr;
  for (const SplitRow& row : rows) {
    if (row.context != context || !row.served.fast_enough) continue;
    if (best == nullptr || row.served.usd_per_million < best->served.usd_per_million) best = &row;
  }
  return best;
}

const UncutRow* SplitSweep::Uncut(int64_t context, const std::string& hardware) const {
  for (const UncutRow& row : uncut) {
    if (row.context == context && row.hardware == hardware) return &row;
  }
  return nullptr;
}

absl::StatusOr<SplitSweep> SweepSplits(const SplitSweepTask& task) {
  WL_RETURN_IF_ERROR(CheckTask(task));
  SplitSweep sweep;
  absl::Status misfit;
  const int64_t others = static_cast<int64_t>(task.micro_batches.size() * task.link_us.size());
  for (const int64_t context : task.contexts) {
    WL_ASSIGN_OR_RETURN(const SplitSide ffn,
                        SideFor(task, task.ffn, {timing::LayerPart::kFeedForward, 0, context}));
    const int machines = ffn.by_layer && !ffn.wafers ? 1 : ffn.devices;
    for (const int ratio : task.ratios) {
      const auto attention =
          SideFor(task, task.attention, {timing::LayerPart::kAttention, ratio * machines, context});
      if (!attention.ok()) {
        misfit = attention.status();
        sweep.did_not_fit += others;
        continue;
      }
      SplitModel model = ModelOf(task, *attention, ffn);
      for (const int micro_batches : task.micro_batches) {
        for (const double link_us : task.link_us) {
          model.micro_batches = micro_batches;
          model.link_latency = Nanoseconds(std::llround(link_us * 1e3));
          sweep.rows.push_back(RowOf(task, model, context));
          sweep.rows.back().ratio = ratio;
        }
      }
    }
    for (const silicon::Hardware* hardware : {&task.ffn, &task.attention}) {
      if (hardware == &task.attention && task.ffn.name == task.attention.name) continue;
      const auto row = BestUncut(task, *hardware, context);
      if (row.has_value()) sweep.uncut.push_back(*row);
    }
  }
  if (sweep.rows.empty()) return misfit;
  FindBreakEven(task, &sweep);
  return sweep;
}

absl::StatusOr<SplitModel> SplitOfRow(const SplitSweepTask& task, const SplitRow& row) {
  WL_ASSIGN_OR_RETURN(SplitSide attention,
                      SideFor(task, task.attention,
                              {timing::LayerPart::kAttention, row.attention_devices, row.context}));
  WL_ASSIGN_OR_RETURN(
      SplitSide ffn,
      SideFor(task, task.ffn, {timing::LayerPart::kFeedForward, row.ffn_devices, row.context}));
  SplitModel model = ModelOf(task, std::move(attention), std::move(ffn));
  model.micro_batches = row.micro_batches;
  model.link_latency = Nanoseconds(std::llround(row.link_us * 1e3));
  return model;
}

}  // namespace waferline::placement
