// A worker that has a part of some layers, and computes it for any shards of the model that have
// the rest: it keeps nothing of them between two calls.
//
// Owner: what links it to shards (local_layer_workers.h, layer_server.h); thread: one at a time.
#pragma once

#include "absl/status/status.h"
#include "wafer_backend/compute/link/frames.h"
#include "wafer_backend/compute/shard/packed_model.h"

namespace waferline::shard {

// What a worker has of the model.
struct WorkerPart {
  LayerRange layers;
  ExpertRange experts;  // of those layers
};

class LayerWorker {
 public:
  virtual ~LayerWorker() = default;

  // Makes of each row what the worker's part of the frame's layer makes of it. InvalidArgument,
  // nothing changed, for a layer, counts or a width that are not this worker's.
  virtual absl::Status Compute(link::LayerRowsFrame* frame) = 0;
  virtual WorkerPart part() const = 0;
};

}  // namespace waferline::shard
