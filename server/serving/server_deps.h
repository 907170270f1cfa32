// What the front ends are given from outside, one struct for all of them. Filled by server/app.
//
// Owner: server/app. Everything pointed to must outlive the front ends and may be called from any
// thread. No pointer is null: what is not limited or not counted is an object that says so
// (ApiKeys without keys, Budgets without limits, the base classes UsageMeter, FrontMetrics and
// RequestLog).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include "scheduler/request/front_door.h"
#include "server/accounts/accounts.h"
#include "server/accounts/books.h"
#include "server/admin/admin_port.h"
#include "server/metering/usage_meter.h"
#include "server/metrics/front_metrics.h"
#include "server/serving/kv_handoffs.h"
#include "server/serving/memory_gate.h"
#include "server/serving/request_log.h"
#include "server/serving/request_rules.h"
#include "server/serving/text_worker.h"
#include "server/tenancy/api_keys.h"
#include "server/tenancy/budget.h"
#include "server/tenancy/usage_ledger.h"
#include "server/text/served_model.h"
#include "server/trace/tracer.h"
#include "wafer_backend/base/units.h"

namespace waferline::serving {

// Host time, passed in: the front ends read no clock.
struct HostClock {
  std::function<Nanoseconds()> monotonic;
  std::function<int64_t()> unix_seconds;
  // How much emulated time is left until a wall-clock instant; nullopt where emulated time does not
  // follow the wall. Not set: the same as nullopt.
  std::function<std::optional<Nanoseconds>(std::chrono::system_clock::time_point)> emulated_until;
};

struct ServerDeps {
  FrontDoor* front_door = nullptr;
  const text::ModelCatalog* models = nullptr;
  const tenancy::ApiKeys* keys = nullptr;
  tenancy::Budgets* budgets = nullptr;
  tenancy::UsageLedger* ledger = nullptr;
  metering::UsageMeter* meter = nullptr;
  accounts::Accounts* accounts = nullptr;
  accounts::Books* books = nullptr;
  metrics::FrontMetrics* metrics = nullptr;
  admin::AdminPort* admin_port = nullptr;
  RequestIdSource* ids = nullptr;
  TextWorker* texts = nullptr;
  MemoryGate* memory = nullptr;
  const KvHandoffs* handoffs = KvHandoffs::None();
  trace::Tracer* tracer = nullptr;
  RequestLog* log = nullptr;
  HostClock clock;
};

}  // namespace waferline::serving
