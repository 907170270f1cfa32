// What operators may ask of the running cloud. server/app implements it (AdminActions); the codecs,
// http::AdminRoutes and rpc::AdminService, check the caller's right and translate.
//
// Thread: any; no call blocks. `done` is called exactly once: on the engine's thread, or within the
// call if the request is refused (InvalidArgument) or the engine has stopped (Unavailable).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "scheduler/engine/fault.h"
#include "scheduler/engine/snapshot.h"

namespace waferline::admin {

// What does not change while the server runs.
struct ServerFacts {
  std::string version;
  bool stepped = false;
  double speed = 1;  // emulated seconds a wall second; 0: stepped
  std::vector<std::string> models;
};

struct Load {
  bool draining = false;
  engine::EngineSnapshot engine;
};

// What breaks on the wafers of a unit, where an order names that and not what happens to the unit.
inline constexpr std::string_view kHardwareFaultNames[] = {
    "core", "row", "die", "wafer", "off_wafer_link", "power_cap", "thermal"};
struct HardwareFault {
  std::string name;        // one of those
  uint32_t place = 0;      // which wafer of the unit's pipeline
  uint32_t links = 1;      // that fail, of off_wafer_link
  double watts = 0;        // of power_cap, which needs it
  double clock_share = 0;  // of thermal, which needs it
  uint32_t spare_wafers = 1;
};

// A change of the emulated hardware of the model of this name.
struct FaultOrder {
  engine::Fault::Kind kind = engine::Fault::Kind::kUnitLost;  // without `hardware`
  std::string model;
  uint32_t index = 0;
  double factor = 1;
  uint32_t stage = 0;  // of the unit's pipeline, for kStageSpeed
  std::optional<HardwareFault> hardware;
};

template <typename Answer>
using Done = std::function<void(absl::StatusOr<Answer>)>;

class AdminPort {
 public:
  virtual ~AdminPort() = default;

  virtual ServerFacts Facts() const = 0;
  virtual void GetLoad(Done<Load> done) = 0;

  // Ends every sequence in flight whose request has this id, as kCancelled; gives how many. A
  // request with several answers has a sequence for each.
  virtual void Abort(const std::string& request_id, Done<uint32_t> done) = 0;

  // Refuses new requests, lets those in flight finish; gives how many those are.
  virtual void Drain(Done<uint64_t> done) = 0;

  virtual void ResetPrefixCaches(std::function<void(absl::Status)> done) = 0;

  // InvalidArgument, with its field: the order makes no sense here, and nothing has changed.
  virtual void ApplyFault(const FaultOrder& order, std::function<void(absl::Status)> done) = 0;
};

}  // namespace waferline::admin
