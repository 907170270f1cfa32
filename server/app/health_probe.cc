#include "server/app/health_probe.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace waferline::app {
namespace {

constexpr Nanoseconds kHungAfter =
    Seconds(10);  // the engine ends a turn at least 20 times a second
constexpr Nanoseconds kSilentAfter =
    Seconds(5);  // without a value; attempts to reach lost workers go on for 10 s at a time

// Why no request of a model can be served by its emulated hardware; null if one can.
const char* Impairment(const engine::LaneSnapshot& lane) {
  const auto none = [](const auto& all, auto usable) {
    return std::none_of(all.begin(), all.end(), usable);
  };
  if (none(lane.workers, [](const auto& worker) { return worker.alive; })) {
    return "every prefill worker is down";
  }
  if (none(lane.units, [](const auto& unit) { return unit.alive; })) {
    return "every decode unit is down";
  }
  if (none(lane.units, [](const auto& unit) { return unit.alive && unit.reachable; })) {
    return "no KV link to a decode unit moves bytes";
  }
  return nullptr;
}

}  // namespace

void HealthProbe::Ask(std::function<void(http::Health)> reply) const {
  http::Health health = Now();
  const bool asked =
      health.live && cloud_->engines().Snapshot([this, health, reply](const auto& all) mutable {
        for (const engine::LaneSnapshot& lane : all.lanes) {
          if (std::string why = WhyNot(lane); !why.empty()) {
            health.impaired.emplace_back(lane.model, std::move(why));
          }
        }
        if (health.ready && health.impaired.size() == all.lanes.size()) {
          health.ready = false;
          health.why = "no model can be served: " + health.impaired.front().second;
        }
        reply(std::move(health));
      });
  if (!asked) reply(health);
}

engine::EngineSnapshot HealthProbe::Merged(std::vector<engine::EngineSnapshot> parts) const {
  engine::EngineSnapshot snapshot = engine::Merged(std::move(parts));
  for (engine::LaneSnapshot& lane : snapshot.lanes) {
    if (!WhyNot(lane).empty()) lane.expected_queue.reset();
  }
  return snapshot;
}

std::string HealthProbe::WhyNot(const engine::LaneSnapshot& lane) const {
  if (const char* why = Impairment(lane)) return why;
  if (std::string why = cloud_->OutageOf(lane.model); !why.empty()) return why;
  if (std::string why = cloud_->DamageOf(lane.model); !why.empty()) return why;
  return Silent(lane.model) ? "its workers have sent nothing for long" : "";
}

bool HealthProbe::Silent(const std::string& model) const {
  const auto place = cloud_->PlaceOf(model);
  return place && cloud_->engines().members()[place->engine].thread->blocked_age() > kSilentAfter;
}

http::Health HealthProbe::Now() const {
  http::Health health;
  const Nanoseconds age = cloud_->engines().progress_age();
  health.live = age < kHungAfter;
  health.ready = health.live && !admin_->draining();
  if (!health.live) {
    health.why = absl::StrCat("the engine has made no progress for ", ToSeconds(age), " s");
  }
  if (admin_->draining()) health.why = "draining";
  if (const absl::Status recorded = recorded_(); health.ready && !recorded.ok()) {
    health.ready = false;
    health.why = std::string(recorded.message());
  }
  return health;
}

}  // namespace waferline::app
