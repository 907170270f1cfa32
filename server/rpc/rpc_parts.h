// What the RPC plane is given from outside. Filled by server/app; everything pointed to must
// outlive the server and may be called from any thread. Null where it says so.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include "scheduler/request/front_door.h"
#include "server/admin/admin_port.h"
#include "server/metrics/front_metrics.h"
#include "server/tenancy/api_keys.h"
#include "server/tenancy/budget.h"
#include "server/tenancy/usage_ledger.h"
#include "server/text/served_model.h"
#include "wafer_backend/base/units.h"

namespace waferline::rpc {

struct RpcParts {
  FrontDoor* front_door = nullptr;
  const text::ModelCatalog* models = nullptr;
  admin::AdminPort* admin_port = nullptr;

  // Null, or without keys: everybody may ask, and whoever calls from this machine may operate.
  const tenancy::ApiKeys* keys = nullptr;
  tenancy::Budgets* budgets = nullptr;       // null: nobody has one
  tenancy::UsageLedger* ledger = nullptr;    // null: nothing is written down
  metrics::FrontMetrics* metrics = nullptr;  // null: nothing is counted

  // Host time, monotonic; needed with budgets and metrics.
  std::function<Nanoseconds()> host_now;
  // How much emulated time is left until a wall-clock instant; nothing where emulated time does not
  // follow the wall. Not set: as if it gave nothing. (A call's deadline ends its request in any
  // case; this lets admission know of it.)
  std::function<std::optional<Nanoseconds>(std::chrono::system_clock::time_point)> time_until;

  uint64_t seed = 0;  // of made-up request ids, and of requests that bring no seed
};

}  // namespace waferline::rpc
