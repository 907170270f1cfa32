#include "server/app/admin_actions.h"

#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/field_error.h"
#include "wafer_backend/base/name_table.h"
#include "wafer_backend/base/retry_hint.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::app {
namespace {

constexpr Nanoseconds kRetryAfter = Seconds(1);

absl::Status FieldError(std::string_view field, std::string_view what) {
  return WithField(absl::InvalidArgumentError(absl::StrCat(Absl(field), ": ", Absl(what))), field);
}

}  // namespace

admin::ServerFacts AdminActions::Facts() const {
  admin::ServerFacts facts{.version = WAFERLINE_VERSION,
                           .stepped = config_->clock.stepped,
                           .speed = config_->clock.stepped ? 0 : config_->clock.scale};
  for (const auto& model : cloud_->catalog().all()) facts.models.push_back(model->name);
  return facts;
}

// An engine takes so many calls at once, and none after its end.
absl::Status AdminActions::NotPosted() {
  const MutexLock lock(&mutex_);
  if (stopping_) return absl::UnavailableError("the server is stopping");
  return WithRetryAfter(
      absl::UnavailableError("too many operators' calls wait for the engine; try again"),
      kRetryAfter);
}

void AdminActions::GetLoad(admin::Done<admin::Load> done) {
  const bool posted = cloud_->engines().Snapshot(
      [done, draining = draining()](const auto& all) { done(admin::LoadOf(all, draining)); });
  if (!posted) done(NotPosted());
}

void AdminActions::Abort(const RequestName& name, admin::Done<uint32_t> done) {
  if (name.id.empty()) {
    return done(FieldError("request_id", "is missing: the x-request-id of the request to cancel"));
  }
  const bool posted =
      cloud_->engines().Abort(name, absl::CancelledError("an operator ended the request"),
                              [done](uint32_t sequences) { done(sequences); });
  if (!posted) done(NotPosted());
}

void AdminActions::Drain(admin::Done<uint64_t> done) {
  {
    const MutexLock lock(&mutex_);
    draining_ = true;
    cloud_->engines().Drain();
    taking_(false);
  }
  AnswerInFlight(done);
}

void AdminActions::Resume(admin::Done<uint64_t> done) {
  {
    const MutexLock lock(&mutex_);
    if (!stopping_) {
      cloud_->engines().EndDrain();
      draining_ = false;
      taking_(true);
    }
  }
  if (draining()) return done(absl::UnavailableError("the server is stopping"));
  AnswerInFlight(done);
}

void AdminActions::ReportTo(std::function<void(bool taking)> taking) {
  const MutexLock lock(&mutex_);
  taking_ = std::move(taking);
  taking_(!draining_);
}

void AdminActions::AnswerInFlight(const admin::Done<uint64_t>& done) {
  const bool posted = cloud_->engines().Snapshot([done](const auto& all) { done(all.in_flight); });
  if (!posted) done(NotPosted());
}

void AdminActions::StartStopping() {
  const MutexLock lock(&mutex_);
  stopping_ = draining_ = true;
  cloud_->engines().Drain();
}

void AdminActions::ResetPrefixCaches(std::function<void(absl::Status)> done) {
  const bool posted =
      cloud_->engines().Post([](size_t, engine::Engine& engine) { engine.ResetPrefixCaches(); },
                             [done] { done(absl::OkStatus()); });
  if (!posted) done(NotPosted());
}

void AdminActions::ApplyFault(const admin::FaultOrder& order,
                              std::function<void(absl::Status)> done) {
  absl::StatusOr<fleet::CheckedFault> fault = fleet::CheckFault(order.fault);
  if (!fault.ok()) {
    return done(FieldError(FieldOf(fault.status()), Std(fault.status().message())));
  }
  const std::optional<ModelPlace> place = cloud_->PlaceOf(order.model);
  if (!place) {
    std::vector<std::string_view> names;
    for (const auto& model : cloud_->catalog().all()) names.push_back(model->name);
    return done(FieldError("model", NotOneOf(order.model, names)));
  }
  fault->fault.lane = place->lane;
  absl::StatusOr<std::vector<fleet::TimedChange>> changes = ChangesOf(order.model, *fault);
  if (!changes.ok()) return done(changes.status());
  runtime::EngineThread* const thread = cloud_->engines().members()[place->engine].thread;
  const bool posted = thread->Post([done, changes, place, this](engine::Engine& engine) {
    done(cloud_->fault_script(place->engine).Start(*changes, &engine));
  });
  if (!posted) done(NotPosted());
}

absl::StatusOr<std::vector<fleet::TimedChange>> AdminActions::ChangesOf(
    const std::string& model, const fleet::CheckedFault& checked) const {
  const engine::Fault& fault = checked.fault;
  fleet::LiveFaults& live = cloud_->live_faults(model);
  if (!checked.hardware) {
    if (fault.kind == engine::Fault::Kind::kUnitSpeed) live.Forget(fault.index);
    return std::vector<fleet::TimedChange>{{Nanoseconds(), fault}};
  }
  WL_ASSIGN_OR_RETURN(fleet::FaultEffect effect,
                      live.Inject(fault.index, *checked.hardware, checked.spare_wafers));
  return std::move(effect.changes);
}

}  // namespace waferline::app
