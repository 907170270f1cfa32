// What a lane has to be for the engine to run it.
#include "scheduler/engine/engine.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "scheduler/engine/engine_impl.h"
#include "wafer_backend/base/check.h"

namespace waferline::engine {
namespace {

absl::Status CheckUnit(const DecodeUnitSpec& unit) {
  if ((unit.pipeline == nullptr) == (unit.batch == nullptr)) {
    return absl::InvalidArgumentError("needs a pipeline or a batch device, and not both");
  }
  if (unit.max_running < 1) return absl::InvalidArgumentError("max_running is below 1");
  return StageLedger::Check(unit.memory);
}

absl::Status CheckWorker(const PrefillWorkerSpec& worker) {
  if (worker.device == nullptr) return absl::InvalidArgumentError("has no device");
  if (worker.step_tokens < Tokens(1)) return absl::InvalidArgumentError("step_tokens is below 1");
  if (worker.backlog_tokens < Tokens(1)) {
    return absl::InvalidArgumentError("backlog_tokens is below 1");
  }
  if (worker.memory_tokens < Tokens(1)) {
    return absl::InvalidArgumentError("memory_tokens is below 1");
  }
  return absl::OkStatus();
}

absl::Status CheckSpeculation(const Speculation& speculation) {
  for (const double p : speculation.acceptance) {
    if (!(p >= 0 && p <= 1)) return absl::InvalidArgumentError("acceptance is outside [0, 1]");
  }
  return absl::OkStatus();
}

absl::Status CheckLane(const LaneSpec& lane) {
  if (lane.values == nullptr) return absl::InvalidArgumentError("has no value source");
  if (lane.workers.empty()) return absl::InvalidArgumentError("has no prefill worker");
  if (lane.units.empty()) return absl::InvalidArgumentError("has no decode unit");
  if (lane.block_tokens < 1) return absl::InvalidArgumentError("block_tokens is below 1");
  if (lane.order.aging < Nanoseconds(1)) return absl::InvalidArgumentError("aging is below 1 ns");
  if (lane.reserve == Reserve::kAtHandoff && lane.overlap != Overlap::kNone) {
    return absl::InvalidArgumentError(
        "overlap needs the unit to be known before prefill: reserve at prefill");
  }
  if (lane.reserve == Reserve::kAtHandoff && lane.preempt) {
    return absl::InvalidArgumentError("preempt needs room to be taken at prefill");
  }
  if (lane.reserve == Reserve::kAtHandoff && lane.local_prefill.max_fresh_tokens > 0) {
    return absl::InvalidArgumentError("local_prefill needs room to be taken at prefill");
  }
  if (lane.limits.heartbeat < Nanoseconds(1)) {
    return absl::InvalidArgumentError("heartbeat is below 1 ns");
  }
  if (lane.limits.lost_heartbeats < 1) {
    return absl::InvalidArgumentError("lost_heartbeats is below 1");
  }
  if (absl::Status s = CheckSpeculation(lane.speculation); !s.ok()) return s;
  for (const PrefillWorkerSpec& worker : lane.workers) {
    if (absl::Status s = CheckWorker(worker); !s.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("worker \"", worker.name, "\": ", s.message()));
    }
  }
  for (const DecodeUnitSpec& unit : lane.units) {
    absl::Status s = CheckUnit(unit);
    if (s.ok() && unit.speculation) s = CheckSpeculation(*unit.speculation);
    if (s.ok() && unit.prefix_cache &&
        lane.block_tokens % unit.memory.front().page_tokens.count() != 0) {
      s = absl::InvalidArgumentError("block_tokens is not a multiple of the unit's page");
    }
    if (!s.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("unit \"", unit.name, "\": ", s.message()));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> Engine::Create(const EngineOptions& options,
                                                       Timeline* timeline,
                                                       std::vector<LaneSpec> lanes,
                                                       std::vector<EngineObserver*> observers) {
  if (options.max_sequences < 1 || options.max_sequences >= kMaxSequences) {
    return absl::InvalidArgumentError("max_sequences is not within 1 .. 16777215");
  }
  for (size_t i = 0; i < lanes.size(); ++i) {
    if (absl::Status s = CheckLane(lanes[i]); !s.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("model \"", lanes[i].model, "\": ", s.message()));
    }
    for (size_t j = 0; j < i; ++j) {
      if (lanes[j].model == lanes[i].model) {
        return absl::InvalidArgumentError(
            absl::StrCat("model \"", lanes[i].model, "\" has two lanes"));
      }
    }
  }
  return std::make_unique<EngineImpl>(options, timeline, std::move(lanes), std::move(observers));
}

}  // namespace waferline::engine
