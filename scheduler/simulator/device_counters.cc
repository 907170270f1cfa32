#include "scheduler/simulator/device_counters.h"

#include <algorithm>
#include <cstdio>
#include <set>

#include "absl/strings/str_cat.h"

namespace waferline::simulator {
namespace {

// "0.731"; nothing is busy for longer than the time that went by.
std::string Share(Nanoseconds busy, Nanoseconds of) {
  char text[16];
  std::snprintf(text, sizeof text, "%.3f", std::clamp(busy.as_double() / of.as_double(), 0.0, 1.0));
  return text;
}

}  // namespace

DeviceCounters::DeviceCounters(const std::vector<engine::LaneSpec>& lanes) {
  std::set<const void*> links;  // one may be shared
  for (uint32_t lane = 0; lane < lanes.size(); ++lane) {
    for (const engine::DecodeUnitSpec& unit : lanes[lane].units) {
      if (unit.pipeline != nullptr) {
        const auto stages = static_cast<size_t>(unit.pipeline->stage_count());
        tracks_.push_back({.lane = lane,
                           .unit = unit.name,
                           .pipeline = unit.pipeline,
                           .busy = std::vector<Nanoseconds>(stages)});
      }
      if (unit.link != nullptr && links.insert(unit.link).second) {
        tracks_.push_back({.lane = lane,
                           .unit = unit.name,
                           .link = unit.link,
                           .busy = std::vector<Nanoseconds>(1)});
      }
    }
  }
}

void DeviceCounters::Sample(Nanoseconds now, const std::function<void(const Values&)>& write) {
  if (now - last_ < kEvery) return;
  const Nanoseconds since = now - last_;
  last_ = now;
  for (Track& track : tracks_) Put(track, since, write);
}

void DeviceCounters::Put(Track& track, Nanoseconds since,
                         const std::function<void(const Values&)>& write) {
  std::string shares = "{";
  bool idle = true;
  for (size_t i = 0; i < track.busy.size(); ++i) {
    const Nanoseconds busy = track.pipeline != nullptr
                                 ? track.pipeline->StageBusy(static_cast<int>(i))
                                 : track.link->busy();
    idle = idle && busy == track.busy[i];
    const std::string name = track.pipeline != nullptr ? absl::StrCat("stage ", i) : "busy";
    absl::StrAppend(&shares, i == 0 ? "\"" : ",\"", name,
                    "\":", Share(busy - track.busy[i], since));
    track.busy[i] = busy;
  }
  shares += "}";
  // The first zero ends what was drawn; more of them say nothing.
  if (!idle || !track.idle) {
    write({track.lane, track.unit + (track.pipeline != nullptr ? " stages" : " link"), shares});
    if (track.pipeline != nullptr) {
      const uint64_t entered = track.pipeline->entered();
      const double rate = static_cast<double>(entered - track.entered) / ToSeconds(since);
      track.entered = entered;
      write({track.lane, track.unit + " tokens a second", absl::StrCat("{\"tokens\":", rate, "}")});
    } else {
      write({track.lane, track.unit + " link bytes",
             absl::StrCat("{\"under way\":", track.link->backlog().count(), "}")});
    }
  }
  track.idle = idle;
}

}  // namespace waferline::simulator
