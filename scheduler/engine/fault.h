// A change of the emulated hardware, from an operator or a fault script. A value.
#pragma once

#include <cstdint>
#include <optional>

#include "scheduler/engine/indices.h"
#include "wafer_backend/api/devices.h"
#include "wafer_backend/base/name_table.h"
#include "wafer_backend/base/units.h"

namespace waferline::engine {

struct Fault {
  enum class Kind : uint8_t {
    kWorkerLost,
    kWorkerBack,   // comes back with an empty cache
    kWorkerSpeed,  // steps take `factor` times as long
    kUnitLost,
    kUnitBack,
    kUnitSpeed,   // all of it: beats take `factor` times as long
    kStageSpeed,  // one stage of a pipeline takes `factor` times as long, times the unit's factor
    kLinkSpeed,   // the unit's link has `factor` times its bandwidth; 0: down
    // A part of a unit of two sides takes `factor` times as long, times the unit's factor. The last
    // one is what failed links (of hardware) come to: sending hidden states.
    kAttentionSide,
    kFfnSide,
    kSideLink,
  };
  Kind kind = Kind::kWorkerLost;
  LaneIndex lane;
  DeviceIndex index;   // worker or unit, by the kind
  double factor = 1;   // > 0; for kLinkSpeed >= 0
  uint32_t stage = 0;  // of the unit's pipeline, for kStageSpeed
};

// The names of these kinds at every interface: fleet files, HTTP, gRPC, command line.
inline constexpr NamedValue<Fault::Kind> kFaultNames[] = {
    {"worker_lost", Fault::Kind::kWorkerLost},       {"worker_back", Fault::Kind::kWorkerBack},
    {"worker_slow", Fault::Kind::kWorkerSpeed},      {"unit_lost", Fault::Kind::kUnitLost},
    {"unit_back", Fault::Kind::kUnitBack},           {"unit_slow", Fault::Kind::kUnitSpeed},
    {"stage_slow", Fault::Kind::kStageSpeed},        {"link_speed", Fault::Kind::kLinkSpeed},
    {"attention_side", Fault::Kind::kAttentionSide}, {"ffn_side", Fault::Kind::kFfnSide},
};

// Of a fault of one part of a unit of two sides, which.
constexpr std::optional<Side> SideOf(Fault::Kind kind) {
  if (kind == Fault::Kind::kAttentionSide) return Side::kAttention;
  if (kind == Fault::Kind::kFfnSide) return Side::kFfn;
  if (kind == Fault::Kind::kSideLink) return Side::kLink;
  return std::nullopt;
}

constexpr bool NeedsFactor(Fault::Kind kind) {
  return kind == Fault::Kind::kWorkerSpeed || kind == Fault::Kind::kUnitSpeed ||
         kind == Fault::Kind::kStageSpeed || kind == Fault::Kind::kLinkSpeed ||
         SideOf(kind).has_value();
}

}  // namespace waferline::engine
