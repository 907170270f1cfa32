#include "server/http/admin_routes.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>
#include <initializer_list>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/openai/api_error.h"
#include "server/openai/fields.h"
#include "server/serving/limits.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::http {
namespace {

namespace json = boost::json;

json::object Describe(const engine::LaneSnapshot& lane) {
  json::array workers, units;
  for (const engine::WorkerSnapshot& worker : lane.workers) {
    workers.push_back(json::object{
        {"name", worker.name}, {"alive", worker.alive}, {"pending_tokens", worker.pending_tokens}});
  }
  for (const engine::UnitSnapshot& unit : lane.units) {
    units.push_back(json::object{{"name", unit.name},
                                 {"alive", unit.alive},
                                 {"running", unit.running},
                                 {"max_running", unit.max_running}});
  }
  return {{"model", lane.model},
          {"waiting", lane.waiting_total()},
          {"running", lane.prefilling + lane.transferring + lane.decoding},
          {"kv_usage", lane.kv_usage()},
          {"workers", std::move(workers)},
          {"units", std::move(units)}};
}

std::string Describe(const admin::Load& load) {
  json::array models;
  for (const engine::LaneSnapshot& lane : load.engine.lanes) models.push_back(Describe(lane));
  return json::serialize(json::object{{"state", load.draining ? "draining" : "ready"},
                                      {"accepted", load.engine.accepted},
                                      {"finished", load.engine.finished},
                                      {"in_flight", load.engine.in_flight},
                                      {"refused", load.engine.refused},
                                      {"tokens", load.engine.tokens},
                                      {"emulated_now_ns", load.engine.now.count()},
                                      {"schedule_digest", engine::DigestText(load.engine.digest)},
                                      {"models", std::move(models)}});
}

// An order that is misread could cost an operator dear: nothing in it is ignored.
void RefuseOthers(const json::object& object, std::initializer_list<std::string_view> known,
                  openai::Fields& fields) {
  for (const auto& entry : object) {
    const std::string_view key(entry.key().data(), entry.key().size());
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    std::string names;
    for (const std::string_view name : known) {
      absl::StrAppend(&names, names.empty() ? "" : ", ", Absl(name));
    }
    return fields.Fail(key, absl::StrCat("is not known here; the fields are ", names));
  }
}

absl::StatusOr<engine::Fault::Kind> KindNamed(const std::string& name) {
  std::string names;
  for (const engine::FaultName& known : engine::kFaultNames) {
    if (known.name == name) return known.kind;
    absl::StrAppend(&names, names.empty() ? "" : ", ", Absl(known.name));
  }
  for (const std::string_view hardware : admin::kHardwareFaultNames) {
    absl::StrAppend(&names, ", ", Absl(hardware));
  }
  return openai::FieldError("fault", absl::StrCat("'fault' must be one of ", names));
}

// Of a fault that says nothing without it, and of none else.
absl::Status CheckField(const openai::Fields& fields, const char* field, bool needed,
                        const std::string& fault) {
  const bool given = fields.Find(field) != nullptr;
  if (given == needed) return absl::OkStatus();
  return openai::FieldError(
      field, absl::StrCat("'", field, "' ", given ? "has no meaning for" : "is needed for",
                          " the fault '", fault, "'"));
}

bool IsHardware(std::string_view name) {
  const auto& names = admin::kHardwareFaultNames;
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

// What the emulated hardware makes of it, operators know.
absl::Status ReadHardware(const std::string& name, const json::object& object,
                          openai::Fields* fields, admin::FaultOrder* order) {
  admin::HardwareFault hardware{.name = name};
  constexpr uint32_t kMaxNumber = 1 << 20;
  float watts = 0, clock_share = 0;
  fields->Int("place", 0, kMaxNumber, &hardware.place);
  fields->Int("links", 1, kMaxNumber, &hardware.links);
  fields->Int("spare_wafers", 0, kMaxNumber, &hardware.spare_wafers);
  fields->Number("watts", 0, 1e9, &watts);
  fields->Number("clock_share", 0, 1, &clock_share);
  RefuseOthers(
      object, {"fault", "model", "index", "place", "links", "spare_wafers", "watts", "clock_share"},
      *fields);
  WL_RETURN_IF_ERROR(fields->status());
  hardware.watts = watts;
  hardware.clock_share = clock_share;
  if (order->model.empty()) {
    return openai::FieldError("model", "'model' is missing: whose hardware changes?");
  }
  order->hardware = hardware;
  return absl::OkStatus();
}

absl::StatusOr<admin::FaultOrder> ReadFault(std::string_view body) {
  WL_ASSIGN_OR_RETURN(const json::object object, openai::ParseObject(body));
  openai::Fields fields(object);
  admin::FaultOrder order;
  std::string fault;
  fields.Text("fault", serving::kMaxNameBytes, &fault);
  fields.Text("model", serving::kMaxNameBytes, &order.model);
  fields.Int("index", 0, std::numeric_limits<int32_t>::max(), &order.index);
  float factor = 1;
  fields.Number("factor", 0, 1e6, &factor);
  order.factor = factor;
  if (IsHardware(fault)) {
    WL_RETURN_IF_ERROR(ReadHardware(fault, object, &fields, &order));
    return order;
  }
  fields.Int("stage", 0, std::numeric_limits<int32_t>::max(), &order.stage);
  RefuseOthers(object, {"fault", "model", "index", "factor", "stage"}, fields);
  WL_RETURN_IF_ERROR(fields.status());
  WL_ASSIGN_OR_RETURN(order.kind, KindNamed(fault));
  if (order.model.empty()) {
    return openai::FieldError("model", "'model' is missing: whose hardware changes?");
  }
  WL_RETURN_IF_ERROR(CheckField(fields, "factor", engine::NeedsFactor(order.kind), fault));
  WL_RETURN_IF_ERROR(CheckField(fields, "stage", engine::NeedsStage(order.kind), fault));
  return order;
}

absl::StatusOr<std::string> ReadRequestId(std::string_view body) {
  WL_ASSIGN_OR_RETURN(const json::object object, openai::ParseObject(body));
  openai::Fields fields(object);
  std::string id;
  fields.Text("request_id", serving::kMaxNameBytes, &id);
  RefuseOthers(object, {"request_id"}, fields);
  WL_RETURN_IF_ERROR(fields.status());
  if (id.empty()) {
    return openai::FieldError("request_id",
                              "'request_id' is missing: the x-request-id of what is to end");
  }
  return id;
}

}  // namespace

std::function<void(absl::StatusOr<std::string>)> AdminRoutes::Later(const Call& call) const {
  return [this, call](absl::StatusOr<std::string> body) {
    post_([this, call, body = std::move(body)] { Answer(call, body); });
  };
}

void AdminRoutes::Answer(const Call& call, const absl::StatusOr<std::string>& body) const {
  if (!body.ok()) return generations_->SendError(*call.exchange, body.status(), Seconds(1));
  call.exchange->Send({.content_type = "application/json", .body = *body});
}

void AdminRoutes::Server(const Call& call) const {
  const admin::ServerFacts facts = admin_port_->Facts();
  Answer(call, json::serialize(json::object{{"version", facts.version},
                                            {"clock", facts.stepped ? "stepped" : "real"},
                                            {"speed", facts.speed},
                                            {"models", json::value_from(facts.models)}}));
}

void AdminRoutes::Load(const Call& call) const {
  admin_port_->GetLoad([later = Later(call)](const absl::StatusOr<admin::Load>& load) {
    later(load.ok() ? absl::StatusOr<std::string>(Describe(*load)) : load.status());
  });
}

void AdminRoutes::Usage(const Call& call) const {
  Answer(call, generations_->deps().ledger->ToJson());
}

void AdminRoutes::Drain(const Call& call) const {
  admin_port_->Drain([later = Later(call)](const absl::StatusOr<uint64_t>& in_flight) {
    if (!in_flight.ok()) return later(in_flight.status());
    later(absl::StrCat("{\"status\":\"draining\",\"in_flight\":", *in_flight, "}"));
  });
}

void AdminRoutes::Abort(const Call& call) const {
  const auto id = ReadRequestId(call.exchange->request().body);
  if (!id.ok()) return Answer(call, id.status());
  admin_port_->Abort(*id, [later = Later(call)](const absl::StatusOr<uint32_t>& aborted) {
    if (!aborted.ok()) return later(aborted.status());
    later(absl::StrCat("{\"aborted\":", *aborted, "}"));
  });
}

void AdminRoutes::ResetPrefixCaches(const Call& call) const {
  admin_port_->ResetPrefixCaches([later = Later(call)](const absl::Status& status) {
    later(status.ok() ? absl::StatusOr<std::string>("{\"status\":\"reset\"}") : status);
  });
}

void AdminRoutes::ApplyFault(const Call& call) const {
  const auto order = ReadFault(call.exchange->request().body);
  if (!order.ok()) return Answer(call, order.status());
  admin_port_->ApplyFault(*order, [later = Later(call)](const absl::Status& status) {
    later(status.ok() ? absl::StatusOr<std::string>("{\"status\":\"applied\"}") : status);
  });
}

}  // namespace waferline::http
