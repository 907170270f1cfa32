// What wafers, their stages and the links to them do, as counter tracks of a timeline for Perfetto:
// of each pipeline the tokens a second and the share of time that each stage was busy, of each link
// its share of time and the bytes under way. Each value is of the time since the one before, at
// least kEvery. Memory: a number for each stage. One thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "scheduler/engine/lane.h"
#include "wafer_backend/api/devices.h"

namespace waferline::simulator {

class DeviceCounters {
 public:
  static constexpr Nanoseconds kEvery = Milliseconds(5);  // emulated

  // The lanes' devices must outlive this.
  explicit DeviceCounters(const std::vector<engine::LaneSpec>& lanes);

  // A track's next values: {"name": value, ...} as JSON.
  struct Values {
    uint32_t lane = 0;
    std::string track;
    std::string json;
  };
  // Calls `write` for each track that has changed since the call before, if that is long enough
  // ago.
  void Sample(Nanoseconds now, const std::function<void(const Values&)>& write);

 private:
  struct Track {
    uint32_t lane = 0;
    std::string unit;
    const DecodePipeline* pipeline = nullptr;  // of a unit, or
    const KvLink* link = nullptr;              // a link
    std::vector<Nanoseconds> busy;             // at the last sample: by stage, or the link's
    uint64_t entered = 0;
    bool idle = true;
  };
  static void Put(Track& track, Nanoseconds since, const std::function<void(const Values&)>& write);

  std::vector<Track> tracks_;
  Nanoseconds last_;
};

}  // namespace waferline::simulator
