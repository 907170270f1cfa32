#include "server/http/admin_routes.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value_from.hpp>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "scheduler/fleet/config/fault_request.h"
#include "server/openai/fields.h"
#include "server/serving/limits.h"
#include "wafer_backend/base/json_fields.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/name_table.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::http {
namespace {

namespace json = boost::json;

json::object Describe(const admin::ModelLoad& load) {
  json::array workers, units;
  for (const engine::WorkerSnapshot& worker : load.workers) {
    workers.push_back(json::object{
        {"name", worker.name}, {"alive", worker.alive}, {"pending_tokens", worker.pending_tokens}});
  }
  for (const engine::UnitSnapshot& unit : load.units) {
    units.push_back(json::object{{"name", unit.name},
                                 {"alive", unit.alive},
                                 {"running", unit.running},
                                 {"max_running", unit.max_running}});
  }
  return {{"model", load.model},           {"waiting", load.waiting},
          {"running", load.running},       {"kv_usage", load.kv_usage},
          {"workers", std::move(workers)}, {"units", std::move(units)}};
}

std::string Describe(const admin::Load& load) {
  json::array models;
  for (const admin::ModelLoad& model : load.models) models.push_back(Describe(model));
  return JsonText(json::object{{"state", load.draining ? "draining" : "ready"},
                               {"accepted", load.accepted},
                               {"finished", load.finished},
                               {"in_flight", load.in_flight},
                               {"refused", load.refused},
                               {"tokens", load.tokens},
                               {"emulated_now_ns", load.emulated_now.count()},
                               {"schedule_digest", load.schedule_digest},
                               {"models", std::move(models)}});
}

// Admin bodies are strict: unknown fields are rejected.
void RefuseOthers(const json::object& object, const std::vector<std::string_view>& known,
                  openai::Fields& fields) {
  for (const auto& entry : object) {
    const std::string_view key(entry.key().data(), entry.key().size());
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    return fields.Fail(key, "is not known here, " + MustBeOneOf(key, known));
  }
}

std::optional<double> ReadNumber(std::string_view name, openai::Fields& fields) {
  const json::value* value = fields.Find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_number()) return value->to_number<double>();
  fields.Fail(name, absl::StrCat("must be a number, not ", Absl(KindOf(*value))));
  return std::nullopt;
}

absl::StatusOr<admin::FaultOrder> ReadFault(std::string_view body) {
  WL_ASSIGN_OR_RETURN(const json::object object, openai::ParseObject(body));
  openai::Fields fields(object);
  admin::FaultOrder order;
  fields.Text("fault", serving::kMaxNameBytes, &order.fault.kind);
  fields.Text("model", serving::kMaxNameBytes, &order.model);
  fields.Int("index", 0, std::numeric_limits<int32_t>::max(), &order.fault.index);
  std::vector<std::string_view> known = {"fault", "model", "index"};
  for (const fleet::FaultField& field : fleet::FaultFields()) {
    order.fault.*field.value = ReadNumber(field.name, fields);
    known.push_back(field.name);
  }
  RefuseOthers(object, known, fields);
  WL_RETURN_IF_ERROR(fields.status());
  return order;
}

absl::StatusOr<RequestName> ReadRequestName(std::string_view body) {
  WL_ASSIGN_OR_RETURN(const json::object object, openai::ParseObject(body));
  openai::Fields fields(object);
  RequestName name;
  fields.Text("request_id", serving::kMaxNameBytes, &name.id);
  fields.Text("tenant", serving::kMaxNameBytes, &name.tenant);
  RefuseOthers(object, {"request_id", "tenant"}, fields);
  WL_RETURN_IF_ERROR(fields.status());
  return name;
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
  Answer(call, JsonText(json::object{{"version", facts.version},
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

void AdminRoutes::Resume(const Call& call) const {
  admin_port_->Resume([later = Later(call)](const absl::StatusOr<uint64_t>& in_flight) {
    if (!in_flight.ok()) return later(in_flight.status());
    later(absl::StrCat("{\"status\":\"ready\",\"in_flight\":", *in_flight, "}"));
  });
}

void AdminRoutes::Abort(const Call& call) const {
  const auto name = ReadRequestName(call.exchange->request().body);
  if (!name.ok()) return Answer(call, name.status());
  admin_port_->Abort(*name, [later = Later(call)](const absl::StatusOr<uint32_t>& aborted) {
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
