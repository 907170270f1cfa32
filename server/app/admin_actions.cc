#include "server/app/admin_actions.h"

#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "scheduler/fleet/config/fleet_config.h"
#include "wafer_backend/base/field_error.h"
#include "wafer_backend/base/status.h"

namespace waferline::app {
namespace {

absl::Status Stopping() { return absl::UnavailableError("the server is stopping"); }

absl::Status Wrong(std::string_view field, const std::string& what) {
  return WithField(absl::InvalidArgumentError(absl::StrCat(std::string(field), ": ", what)), field);
}

absl::StatusOr<placement::Fault> HardwareFaultOf(const admin::HardwareFault& order) {
  constexpr uint32_t kMost = 1 << 20;
  const auto kind = fleet::HardwareFaultNamed(order.name);
  if (!kind.has_value()) return Wrong("fault", "\"" + order.name + "\" is not known");
  if (order.place > kMost) return Wrong("place", "is too large");
  if (order.links > kMost) return Wrong("links", "is too large");
  if (order.spare_wafers > kMost) return Wrong("spare_wafers", "is too large");
  placement::Fault fault{.kind = *kind,
                         .place = static_cast<int>(order.place),
                         .links = static_cast<int>(order.links)};
  if (*kind == placement::FaultKind::kPowerCap) {
    if (order.watts == 0) return Wrong("watts", "is needed: a wafer's under the cap");
    fault.watts = order.watts;
  }
  if (*kind == placement::FaultKind::kThermal) {
    if (order.clock_share == 0)
      return Wrong("clock_share", "is needed: of the clock, that heat leaves");
    fault.clock_share = order.clock_share;
  }
  return fault;
}

}  // namespace

admin::ServerFacts AdminActions::Facts() const {
  admin::ServerFacts facts{.version = WAFERLINE_VERSION,
                           .stepped = config_->clock.stepped,
                           .speed = config_->clock.stepped ? 0 : config_->clock.scale};
  for (const auto& model : cloud_->catalog().all()) facts.models.push_back(model->name);
  return facts;
}

void AdminActions::GetLoad(admin::Done<admin::Load> done) {
  const bool posted = cloud_->engine().Post([done, draining = draining()](engine::Engine& engine) {
    done(admin::Load{.draining = draining, .engine = engine.Snapshot()});
  });
  if (!posted) done(Stopping());
}

void AdminActions::Abort(const std::string& request_id, admin::Done<uint32_t> done) {
  const bool posted =
      cloud_->engine().Abort(request_id, absl::CancelledError("an operator ended the request"),
                             [done](uint32_t sequences) { done(sequences); });
  if (!posted) done(Stopping());
}

void AdminActions::Drain(admin::Done<uint64_t> done) {
  StartDraining();
  const bool posted =
      cloud_->engine().Post([done](engine::Engine& engine) { done(engine.Snapshot().in_flight); });
  if (!posted) done(Stopping());
}

void AdminActions::StartDraining() {
  draining_ = true;
  cloud_->engine().Drain();
}

void AdminActions::ResetPrefixCaches(std::function<void(absl::Status)> done) {
  const bool posted = cloud_->engine().Post([done](engine::Engine& engine) {
    engine.ResetPrefixCaches();
    done(absl::OkStatus());
  });
  if (!posted) done(Stopping());
}

void AdminActions::ApplyFault(const admin::FaultOrder& order,
                              std::function<void(absl::Status)> done) {
  const int lane = cloud_->LaneOf(order.model);
  if (lane < 0) {
    return done(WithField(
        absl::InvalidArgumentError(absl::StrCat("model: no model \"", order.model, "\" runs here")),
        "model"));
  }
  absl::StatusOr<std::vector<fleet::TimedChange>> changes = ChangesOf(order, lane);
  if (!changes.ok()) return done(changes.status());
  const bool posted = cloud_->engine().Post([done, changes, this](engine::Engine& engine) {
    done(cloud_->fault_script().Start(*changes, &engine));
  });
  if (!posted) done(Stopping());
}

absl::StatusOr<std::vector<fleet::TimedChange>> AdminActions::ChangesOf(
    const admin::FaultOrder& order, int lane) const {
  const auto number = static_cast<uint32_t>(lane);
  if (!order.hardware.has_value()) {
    if (order.kind == engine::Fault::Kind::kUnitSpeed) {
      cloud_->live_faults(lane).Forget(order.index);
    }
    return std::vector<fleet::TimedChange>{{Nanoseconds(),
                                            {.kind = order.kind,
                                             .lane = number,
                                             .index = order.index,
                                             .factor = order.factor,
                                             .stage = order.stage}}};
  }
  WL_ASSIGN_OR_RETURN(const placement::Fault fault, HardwareFaultOf(*order.hardware));
  WL_ASSIGN_OR_RETURN(fleet::FaultEffect effect,
                      cloud_->live_faults(lane).Inject(
                          order.index, fault, static_cast<int>(order.hardware->spare_wafers)));
  return std::move(effect.changes);
}

}  // namespace waferline::app
