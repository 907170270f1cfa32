// What operators may ask of the running cloud, by whichever door they come. server/app implements
// it; gRPC and HTTP check who asks, and translate.
//
// Thread: any; no call blocks. An answer that needs the engine comes through `done`, exactly once:
// on the engine's thread, or within the call if that thread takes no more orders (Unavailable).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "scheduler/engine/fault.h"
#include "scheduler/engine/snapshot.h"

namespace waferline::operation {

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

// A change of the emulated hardware of the model of this name.
struct FaultOrder {
  engine::Fault::Kind kind = engine::Fault::Kind::kUnitLost;
  std::string model;
  uint32_t index = 0;
  double factor = 1;
};

template <typename Answer>
using Done = std::function<void(absl::StatusOr<Answer>)>;

class OperatorPort {
 public:
  virtual ~OperatorPort() = default;

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

}  // namespace waferline::operation
