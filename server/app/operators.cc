#include "server/app/operators.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/field_error.h"

namespace waferline::app {
namespace {

absl::Status Stopping() { return absl::UnavailableError("the server is stopping"); }

}  // namespace

operation::ServerFacts Operators::Facts() const {
  operation::ServerFacts facts{.version = WAFERLINE_VERSION,
                               .stepped = config_->clock.stepped,
                               .speed = config_->clock.stepped ? 0 : config_->clock.scale};
  for (const auto& model : cloud_->catalog().all()) facts.models.push_back(model->name);
  return facts;
}

void Operators::GetLoad(operation::Done<operation::Load> done) {
  const bool posted = cloud_->engine().Post([done, draining = draining()](engine::Engine& engine) {
    done(operation::Load{.draining = draining, .engine = engine.Snapshot()});
  });
  if (!posted) done(Stopping());
}

void Operators::Abort(const std::string& request_id, operation::Done<uint32_t> done) {
  const bool posted =
      cloud_->engine().Abort(request_id, absl::CancelledError("an operator ended the request"),
                             [done](uint32_t sequences) { done(sequences); });
  if (!posted) done(Stopping());
}

void Operators::Drain(operation::Done<uint64_t> done) {
  StartDraining();
  const bool posted =
      cloud_->engine().Post([done](engine::Engine& engine) { done(engine.Snapshot().in_flight); });
  if (!posted) done(Stopping());
}

void Operators::StartDraining() {
  draining_ = true;
  cloud_->engine().Drain();
}

void Operators::ResetPrefixCaches(std::function<void(absl::Status)> done) {
  const bool posted = cloud_->engine().Post([done](engine::Engine& engine) {
    engine.ResetPrefixCaches();
    done(absl::OkStatus());
  });
  if (!posted) done(Stopping());
}

void Operators::ApplyFault(const operation::FaultOrder& order,
                           std::function<void(absl::Status)> done) {
  const int lane = cloud_->LaneOf(order.model);
  if (lane < 0) {
    return done(WithField(
        absl::InvalidArgumentError(absl::StrCat("model: no model \"", order.model, "\" runs here")),
        "model"));
  }
  const engine::Fault change{.kind = order.kind,
                             .lane = static_cast<uint32_t>(lane),
                             .index = order.index,
                             .factor = order.factor};
  const bool posted =
      cloud_->engine().Post([done, change](engine::Engine& engine) { done(engine.Apply(change)); });
  if (!posted) done(Stopping());
}

}  // namespace waferline::app
