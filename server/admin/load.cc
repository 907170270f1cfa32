#include <utility>

#include "server/admin/admin_port.h"

namespace waferline::admin {

Load LoadOf(const engine::EngineSnapshot& engine, bool draining) {
  Load load{.draining = draining,
            .accepted = engine.accepted,
            .finished = engine.finished,
            .in_flight = engine.in_flight,
            .refused = engine.refused,
            .tokens = engine.tokens,
            .emulated_now = engine.now,
            .schedule_digest = engine::DigestText(engine.digest)};
  for (const engine::LaneSnapshot& lane : engine.lanes) {
    load.models.push_back({.model = lane.model,
                           .waiting = lane.waiting_total(),
                           .running = lane.prefilling + lane.transferring + lane.decoding,
                           .kv_usage = lane.kv_usage(),
                           .workers = lane.workers,
                           .units = lane.units});
  }
  return load;
}

}  // namespace waferline::admin
