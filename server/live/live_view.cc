#include "server/live/live_view.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <utility>

#include "wafer_backend/base/json_text.h"

namespace waferline::live {
namespace {

namespace json = boost::json;

constexpr const char* kPhaseNames[engine::kPhases] = {"queue", "prefill", "transfer", "decode"};

// A thousandth of a millisecond is as fine as anything is drawn.
// Divided: the nearest double to 0.036 is written so, 36 * 1e-3 is another one.
double Ms(Nanoseconds duration) { return static_cast<double>(duration.count() / 1000) / 1e3; }
double Us(Nanoseconds duration) { return static_cast<double>(duration.count() / 10) / 1e2; }

json::array Describe(const Quantiles& quantiles, double (*in)(Nanoseconds)) {
  return {in(quantiles.p50), in(quantiles.p99), quantiles.count};
}

json::object Describe(const engine::WorkerSnapshot& worker) {
  return {{"name", worker.name},
          {"alive", worker.alive},
          {"stepping", worker.stepping},
          {"slowdown", worker.slowdown},
          {"pending_tokens", worker.pending_tokens},
          {"cached_tokens", worker.cached_tokens}};
}

json::object Describe(const engine::UnitSnapshot& unit) {
  json::array busy, stages;
  for (const Nanoseconds stage : unit.stage_busy) busy.emplace_back(Us(stage));
  for (const engine::StageOccupancy& stage : unit.stages) {
    stages.push_back(json::array{stage.capacity.count(), stage.weights.count(),
                                 stage.buffers.count(), stage.kv_used.count()});
  }
  json::array sides;  // attention, feed-forward, the link between them
  for (size_t i = 0; unit.sides.has_value() && i < kSides; ++i) {
    sides.push_back(
        json::object{{"busy_us", Us(unit.sides->busy[i])}, {"slowdown", unit.sides->slowdown[i]}});
  }
  return {{"name", unit.name},
          {"alive", unit.alive},
          {"reachable", unit.reachable},
          {"slowdown", unit.slowdown},
          {"slow_stages", json::array(unit.slow_stages.begin(), unit.slow_stages.end())},
          {"link_share", unit.link_speed},
          {"running", unit.running},
          {"slots", unit.max_running},
          {"pages", json::array{unit.pages_used, unit.pages_cached, unit.pages_capacity}},
          {"backlog_bytes", unit.link_backlog.count()},
          {"stage_busy_us", std::move(busy)},
          {"sides", std::move(sides)},
          {"sides_crossed_bytes", unit.sides.has_value() ? unit.sides->crossed.count() : 0},
          {"sram", std::move(stages)}};
}

json::object Describe(const TenantActivity& tenant) {
  return {{"tenant", tenant.tenant},
          {"tokens", tenant.tokens},
          {"finished", tenant.finished},
          {"refused", tenant.refused},
          {"waiting", tenant.waiting},
          {"running", tenant.running},
          {"first_token_ms", Describe(tenant.first_token, Ms)},
          {"gap_us", Describe(tenant.gap, Us)}};
}

json::object Describe(const engine::LaneSnapshot& lane, const LaneActivity& activity) {
  json::array workers, units, tenants;
  for (const TenantActivity& tenant : activity.tenants) tenants.push_back(Describe(tenant));
  for (const engine::WorkerSnapshot& worker : lane.workers) workers.push_back(Describe(worker));
  for (const engine::UnitSnapshot& unit : lane.units) units.push_back(Describe(unit));
  return {{"model", lane.model},
          {"now_ms", Ms(lane.now)},
          {"waiting", lane.waiting_total()},
          {"prefilling", lane.prefilling},
          {"transferring", lane.transferring},
          {"decoding", lane.decoding},
          {"parked", lane.parked},
          {"expected_queue_ms",
           lane.expected_queue ? json::value(Ms(*lane.expected_queue)) : json::value(nullptr)},
          {"tokens", activity.tokens},
          {"finished", activity.finished},
          {"refused", activity.refused},
          {"first_token_ms", Describe(activity.first_token, Ms)},
          {"gap_us", Describe(activity.gap, Us)},
          {"lateness_us", Describe(activity.lateness, Us)},
          {"tenants", std::move(tenants)},
          {"workers", std::move(workers)},
          {"units", std::move(units)}};
}

json::object Describe(const RequestRecord& record, const std::string& model) {
  json::array lasted;
  for (const Nanoseconds phase : record.lasted) lasted.emplace_back(Ms(phase));
  json::object out{{"id", record.id},
                   {"ordinal", record.ordinal},
                   {"model", model},
                   {"tenant", record.tenant},
                   {"prompt_tokens", record.prompt_tokens},
                   {"max_tokens", record.max_tokens},
                   {"tokens", record.tokens},
                   {"restarts", record.restarts},
                   {"late_tokens", record.late_tokens},
                   {"max_lateness_ms", Ms(record.max_lateness)},
                   {"arrival_ms", Ms(record.arrival)},
                   {"phases_ms", std::move(lasted)},
                   {"phase", kPhaseNames[static_cast<size_t>(record.phase)]},
                   {"since_ms", Ms(record.since)}};
  if (record.choice) out["choice"] = *record.choice;
  if (record.first_token > Nanoseconds()) out["first_token_ms"] = Ms(record.first_token);
  if (!record.end.empty()) {
    out["end"] = record.end;
    out["ended_ms"] = Ms(record.ended);
  }
  if (!record.why.empty()) out["why"] = record.why;
  return out;
}

}  // namespace

std::string LiveJson(const LiveView& view) {
  json::array models, requests;
  size_t lane = 0;
  for (const Activity& activity : view.activities) {
    const size_t first = lane;
    for (const LaneActivity& each : activity.lanes) {
      models.push_back(Describe(view.engines.lanes.at(lane++), each));
    }
    for (const RequestRecord& record : activity.requests) {
      requests.push_back(Describe(record, view.engines.lanes.at(first + record.lane.value).model));
    }
  }
  return JsonText(json::object{{"state", view.draining ? "draining" : "ready"},
                               {"blocked", view.engines.blocked},
                               {"now_ms", Ms(view.engines.now)},
                               {"host_ms", Ms(view.host_now)},
                               {"accepted", view.engines.accepted},
                               {"finished", view.engines.finished},
                               {"in_flight", view.engines.in_flight},
                               {"refused", view.engines.refused},
                               {"tokens", view.engines.tokens},
                               {"models", std::move(models)},
                               {"requests", std::move(requests)}});
}

}  // namespace waferline::live
