// One model of the configuration, loaded: what clients see of it, the source of its tokens, and the
// devices that time it. Owner: Cloud.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "scheduler/engine/lane.h"
#include "scheduler/fleet/lane_devices.h"
#include "server/config/server_config.h"
#include "server/text/served_model.h"
#include "wafer_backend/api/values.h"
#include "wafer_backend/base/timeline.h"
#include "wafer_backend/base/tls/credentials.h"
#include "wafer_backend/compute/plane/computed_source.h"
#include "wafer_backend/membership/standby_pool.h"

namespace waferline::app {

struct HostedModel {
  std::shared_ptr<const text::ServedModel> served;
  std::unique_ptr<fleet::LaneDevices> devices;
  std::unique_ptr<ValueSource> values;
  const plane::ComputedSource* plane = nullptr;  // `values` if they are computed, else null
  std::function<absl::Status(const config::WorkerChain&)> join;  // OpenedSource's
  std::vector<ShardMemory> real_memory;  // of shards that hold KV; empty for emulated tokens

  engine::LaneSpec Lane() const { return devices->Spec(values.get(), real_memory); }
};

// What a model is loaded into; all outlive it.
struct ModelSite {
  Timeline* timeline = nullptr;
  Waker* waker = nullptr;
  int64_t created_unix_s = 0;
  std::shared_ptr<tls::Credentials> links = nullptr;  // TLS of links to workers; null: plain
  std::shared_ptr<membership::StandbyPool> standbys = nullptr;  // of its chain; null: configured
};

// Errors name the model and the file or field.
absl::StatusOr<HostedModel> LoadHostedModel(const config::ModelConfig& config,
                                            const ModelSite& site);

}  // namespace waferline::app
