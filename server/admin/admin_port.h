// What operators may ask of the running cloud. server/app implements it (AdminActions); the codecs,
// http::AdminRoutes and rpc::AdminService, check the caller's right and translate.
//
// Thread: any; no call blocks. `done` is called exactly once: on the engine's thread, or within the
// call if the request is refused (InvalidArgument) or the engine has stopped (Unavailable).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "scheduler/engine/snapshot.h"
#include "scheduler/fleet/config/fault_request.h"
#include "scheduler/request/request_name.h"
#include "wafer_backend/base/units.h"

namespace waferline::admin {

// What does not change while the server runs.
struct ServerFacts {
  std::string version;
  bool stepped = false;
  double speed = 1;  // emulated seconds per wall second; 0: stepped
  std::vector<std::string> models;
};

struct ModelLoad {
  std::string model;
  uint32_t waiting = 0;  // accepted, not yet in prefill
  uint32_t running = 0;  // in prefill, hand-off or decode
  double kv_usage = 0;   // [0, 1], of the decode units' pages
  std::vector<engine::WorkerSnapshot> workers;
  std::vector<engine::UnitSnapshot> units;
};

struct Load {
  bool draining = false;
  uint64_t accepted = 0;  // since the start; = finished + in_flight
  uint64_t finished = 0;
  uint64_t in_flight = 0;
  uint64_t refused = 0;
  uint64_t tokens = 0;
  Nanoseconds emulated_now;
  std::string schedule_digest;  // 16 hexadecimal digits
  std::vector<ModelLoad> models;
};
Load LoadOf(const engine::EngineSnapshot& engine, bool draining);

// A change of the emulated hardware that serves `model`.
struct FaultOrder {
  std::string model;
  fleet::FaultRequest fault;
};

template <typename Answer>
using Done = std::function<void(absl::StatusOr<Answer>)>;

class AdminPort {
 public:
  virtual ~AdminPort() = default;

  virtual ServerFacts Facts() const = 0;
  virtual bool draining() const = 0;  // new requests are refused
  virtual void GetLoad(Done<Load> done) = 0;

  // Cancels every sequence in flight of this request and gives their number: one for each of the
  // request's choices. InvalidArgument, with its field, if the id is empty.
  virtual void Abort(const RequestName& name, Done<uint32_t> done) = 0;

  // Refuses new requests from now on, lets those in flight finish and gives their number.
  virtual void Drain(Done<uint64_t> done) = 0;
  // Takes new requests again, and gives the number of those in flight. Unavailable: it stops, which
  // nothing takes back.
  virtual void Resume(Done<uint64_t> done) = 0;

  virtual void ResetPrefixCaches(std::function<void(absl::Status)> done) = 0;

  // InvalidArgument, with its field ("fault" for the kind): the order is not valid here; nothing
  // has changed. ResourceExhausted: too many changes lie ahead, or the unit was hit too often.
  virtual void ApplyFault(const FaultOrder& order, std::function<void(absl::Status)> done) = 0;
};

}  // namespace waferline::admin
