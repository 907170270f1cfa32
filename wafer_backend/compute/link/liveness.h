// How a link notices that its peer is gone though TCP does not say so: once a peer has said
// something, a link on which nothing was sent for `interval` carries a heartbeat; a peer from which
// nothing came for `patience` is lost. A value.
//
// Heartbeats are the connections' own: no link's type carries them, and no counter of links counts
// them.
#pragma once

#include "wafer_backend/base/units.h"

namespace waferline::link {

struct Liveness {
  Nanoseconds interval = Seconds(1);  // the same on both sides, well below every patience
  Nanoseconds patience = Seconds(3);
};

}  // namespace waferline::link
