// How one simulated cloud is built and which faults it may get; drawn from its seed. Values.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "wafer_backend/base/units.h"
#include "wafer_backend/compute/link/frame_kind.h"
#include "wafer_backend/compute/link/liveness.h"

namespace waferline::simulated {

// What is done to a cloud while its clients are served.
enum class FaultKind : uint8_t {
  kDelay,      // a direction's packets take up to 100 ms, and overtake each other
  kLoss,       // some are lost, and sent again
  kPieces,     // they arrive in pieces of any size
  kCutOneWay,  // nothing arrives in one direction
  kCutBothWays,
  kReset,       // a connection
  kPause,       // a worker, as by SIGSTOP
  kPauseFront,  // a front end
  kCrash,       // a worker's process; it is started again
  kHostLoss,    // the same without a word to its peers
  kCrashFront,  // a front end; another one takes over with a later epoch, or it is started again
  kTakeOver,    // the other front end takes over while the first one lives
  kSlowDisk,    // a commit takes up to a second
  kDiskFails,   // statements and commits fail for a while
  kPowerLoss,   // a front end's node loses what its disk had not synced
};
inline constexpr std::array<std::string_view, 15> kFaultNames = {
    "delay",       "loss",      "pieces",      "cut-one-way", "cut-both-ways",
    "reset",       "pause",     "pause-front", "crash",       "host-loss",
    "crash-front", "take-over", "slow-disk",   "disk-fails",  "power-loss"};

// One fault at one frame between the processes, whichever is sent first or a little later; clients
// leave at several.
struct FrameFault {
  enum class How : uint8_t {
    kPauseReceiver,  // as by SIGSTOP
    kPauseSender,
    kLostThere,     // from then on all frames in this direction are lost
    kLostBack,      // those in the other direction are
    kTrickle,       // frames come a byte at a time, both ways
    kClientsLeave,  // clients that may leave do
  };
  link::FrameKind frame = link::FrameKind::kHello;
  How how = How::kPauseReceiver;
  bool alone = false;  // while a request is alone (CheckAlone), not among others
};

struct RunOptions {
  uint64_t seed = 1;
  bool faults = true;
  Nanoseconds troubled = Milliseconds(1500);  // how long faults are injected
  std::optional<FrameFault> frame_fault;      // this one instead of those that are drawn
  int clients = 2;
  // Small times, so that a run is short; their proportions are the product's.
  link::Liveness liveness{Milliseconds(200), Milliseconds(600)};
  Nanoseconds max_outage = Seconds(1);
  Nanoseconds outage_patience = Seconds(3);
  // After the last fault a request succeeds within this, and nothing is held any more.
  Nanoseconds recovery_bound = Seconds(20);
  // A request ends within this, whatever happens.
  Nanoseconds request_bound = Seconds(60);
};

}  // namespace waferline::simulated
