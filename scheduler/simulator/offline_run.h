// One offline run from the text of a configuration: builds the fleet, replays the trace through it
// and makes the report.
//
// Thread: one; several runs may go on at once, on threads of their own. Reads no clock: the
// caller's is passed in.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "scheduler/simulator/replay.h"
#include "scheduler/simulator/trace.h"
#include "wafer_backend/base/latency_objectives.h"

namespace waferline::simulator {

struct OfflineSettings {
  double speed_up = 1;
  uint32_t repeat = 1;
  uint64_t seed = 0;
  std::string model;  // of requests that name none; "": the fleet's first
  LatencyObjectives objectives;
  std::string program_version;  // for the receipt
};

// What is written while the run goes on; "": not wanted.
struct OfflineFiles {
  std::string requests_csv;
  std::string timeline;
};

struct OfflineHooks {
  // Seconds since any fixed instant, by the wall.
  std::function<double()> wall_seconds;
  // From time to time, on the caller's thread; may be empty.
  std::function<void(const Replay&)> progress;
  // Asked as often: true ends the run, and the report covers what has happened. May be empty.
  std::function<bool(const Replay&)> stop;
};

struct OfflineInput {
  std::string config_name;  // its path
  std::string config;       // its text
  const Trace* trace;
  OfflineSettings settings;
  OfflineFiles files;
  std::vector<engine::EngineObserver*> observers;  // besides the report's; outlive the run
};

struct OfflineResult {
  boost::json::object report;  // with its receipt and what the run itself took
  Report raw;
  bool stopped = false;            // by OfflineHooks::stop
  std::vector<std::string> notes;  // for the user: what of the configuration had no effect
};

// Of a text, as receipts have it: 16 hexadecimal digits.
std::string HashOf(const std::string& text);

// InvalidArgument names the field of the configuration, or what of the trace does not fit the
// fleet; a file that cannot be written is an error.
absl::StatusOr<OfflineResult> RunOffline(const OfflineInput& input, const OfflineHooks& hooks);

}  // namespace waferline::simulator
