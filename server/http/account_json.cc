#include "server/http/account_json.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/money/decimal.h"
#include "server/openai/api_error.h"
#include "server/openai/fields.h"
#include "server/serving/limits.h"
#include "wafer_backend/base/json_fields.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::http {
namespace {

namespace json = boost::json;

constexpr int64_t kDaySeconds = 24 * 3600;
constexpr int64_t kMaxCount = int64_t{1} << 50;
constexpr int64_t kMaxMicro = 1'000'000'000'000'000;  // 1e9 USD: the sum over all tenants fits
constexpr size_t kMaxKeyModels = 64;
constexpr size_t kMaxReasonBytes = 1000;
constexpr size_t kMaxShares = 256;

// An empty body is an empty object.
absl::StatusOr<json::object> ObjectOf(std::string_view body) {
  if (body.empty()) return json::object();
  return openai::ParseObject(body);
}

// Whole microdollars of a decimal string.
accounts::QuotaChange::Limit ReadUsd(JsonFields& fields, std::string_view name) {
  if (!fields.Has(name)) return std::nullopt;
  std::string text;
  fields.Text(name, 40, &text);
  if (!fields.ok()) return std::nullopt;
  const absl::StatusOr<int64_t> micro = ParseScaledInt(text, 6);
  if (!micro.ok()) fields.Fail(name, Std(micro.status().message()));
  if (micro.ok() && *micro < 0) fields.Fail(name, "must not be negative");
  if (micro.ok() && *micro > kMaxMicro) fields.Fail(name, "must be at most 1000000000");
  if (!fields.ok()) return std::nullopt;
  return {*micro};
}

accounts::QuotaChange::Limit ReadCount(JsonFields& fields, std::string_view name) {
  if (!fields.Has(name)) return std::nullopt;
  int64_t count = 0;
  fields.Int(name, 1, kMaxCount, &count);
  return {count};
}

bool IsNull(const json::object& object, std::string_view name) {
  const json::value* const value = object.if_contains(name);
  return value != nullptr && value->is_null();
}

// {"search": "0.25"}
void ReadShares(JsonFields& fields, accounts::QuotaChange* quota) {
  const json::object* shares = fields.Object("project_shares");
  if (shares == nullptr) return;
  quota->shares.emplace();
  if (shares->size() > kMaxShares) {
    return fields.Fail("project_shares", absl::StrCat("has more than ", kMaxShares, " projects"));
  }
  for (const auto& [project, share] : *shares) {
    const absl::StatusOr<int64_t> thousandths =
        share.is_string() ? ParseScaledInt(std::string_view(share.get_string()), 3)
                          : absl::InvalidArgumentError("no string");
    if (!thousandths.ok() || *thousandths < 1 || *thousandths > 1000) {
      return fields.Fail(absl::StrCat("project_shares.", std::string(project)),
                         "must be a decimal string from \"0.001\" to \"1\", of at most 3 decimals");
    }
    (*quota->shares)[std::string(project)] = *thousandths;
  }
}

json::value UsdOf(const std::optional<int64_t>& micro) {
  return micro ? json::value(FormatScaled(*micro, 6, 2)) : json::value();
}

json::value SecondsOf(int64_t us) { return us == 0 ? json::value() : json::value(us / 1'000'000); }

json::value NumberOf(const std::optional<int64_t>& number) {
  return number ? json::value(*number) : json::value();
}

json::object KeyObject(const accounts::Key& key) {
  return {{"id", key.id},
          {"prefix", key.prefix},
          {"tenant", key.tenant},
          {"project", key.project},
          {"admin", key.admin},
          {"read_usage", key.read_usage},
          {"models", json::value_from(key.models)},
          {"origin", key.from_file ? "configuration" : "api"},
          {"created_at", SecondsOf(key.created_us)},
          {"expires_at", SecondsOf(key.expires_us)},
          {"revoked_at", SecondsOf(key.revoked_us)}};
}

json::object QuotaObject(const accounts::Quota& quota) {
  json::object shares;
  for (const auto& [project, share] : quota.shares) shares[project] = FormatScaled(share, 3, 1);
  return {{"tenant", quota.tenant},
          {"requests_per_day", NumberOf(quota.requests_day)},
          {"tokens_per_minute", NumberOf(quota.tokens_minute)},
          {"concurrent_requests", NumberOf(quota.concurrent)},
          {"monthly_soft_usd", UsdOf(quota.soft_micro)},
          {"monthly_hard_usd", UsdOf(quota.hard_micro)},
          {"prepaid_usd", UsdOf(quota.prepaid_micro)},
          {"project_shares", std::move(shares)}};
}

template <typename All, typename One>
std::string ListOf(const char* name, const All& all, One one) {
  json::array out;
  for (const auto& entry : all) out.push_back(one(entry));
  return json::serialize(json::object{{name, std::move(out)}});
}

}  // namespace

absl::StatusOr<TenantOrder> ReadTenant(std::string_view body) {
  WL_ASSIGN_OR_RETURN(const json::object object, ObjectOf(body));
  JsonFields fields(object);
  TenantOrder order;
  fields.Text("name", serving::kMaxNameBytes, &order.name);
  if (fields.Has("plan")) {
    order.plan.emplace();
    fields.Text("plan", serving::kMaxNameBytes, &*order.plan);
  }
  fields.RefuseOthers({"name", "plan"});
  WL_RETURN_IF_ERROR(fields.status());
  return order;
}

absl::StatusOr<billing::CreditNote> ReadCredit(std::string_view body) {
  WL_ASSIGN_OR_RETURN(const json::object object, ObjectOf(body));
  JsonFields fields(object);
  billing::CreditNote note;
  std::string amount;
  fields.Text("amount_usd", 40, &amount);
  fields.Text("reason", kMaxReasonBytes, &note.reason);
  fields.Text("id", serving::kMaxNameBytes, &note.id);
  fields.RefuseOthers({"amount_usd", "reason", "id"});
  fields.Require({"amount_usd", "reason"});
  WL_RETURN_IF_ERROR(fields.status());
  const absl::StatusOr<Cents> cents = ParseCents(amount);
  if (!cents.ok()) return openai::FieldError("amount_usd", Std(cents.status().message()));
  note.amount = *cents;
  return note;
}

absl::StatusOr<accounts::Key> ReadKey(std::string_view body, int64_t now_us) {
  WL_ASSIGN_OR_RETURN(const json::object object, ObjectOf(body));
  JsonFields fields(object);
  accounts::Key key;
  fields.Text("tenant", serving::kMaxNameBytes, &key.tenant);
  fields.Text("project", serving::kMaxNameBytes, &key.project);
  fields.Bool("admin", &key.admin);
  fields.Bool("read_usage", &key.read_usage);
  if (const json::array* models = fields.Array("models", kMaxKeyModels)) {
    for (const json::value& model : *models) {
      if (!model.is_string()) {
        fields.Fail("models", "must be an array of strings");
        break;
      }
      key.models.emplace_back(model.get_string().c_str());
    }
  }
  int64_t lasts_s = 0;
  fields.Int("expires_in_s", 1, 100 * 365 * kDaySeconds, &lasts_s);
  if (lasts_s > 0) key.expires_us = now_us + lasts_s * 1'000'000;
  fields.RefuseOthers({"tenant", "project", "admin", "read_usage", "models", "expires_in_s"});
  WL_RETURN_IF_ERROR(fields.status());
  return key;
}

absl::StatusOr<Nanoseconds> ReadOverlap(std::string_view body) {
  WL_ASSIGN_OR_RETURN(const json::object object, ObjectOf(body));
  JsonFields fields(object);
  int64_t overlap_s = kDaySeconds;
  fields.Int("overlap_s", 0, 90 * kDaySeconds, &overlap_s);
  fields.RefuseOthers({"overlap_s"});
  WL_RETURN_IF_ERROR(fields.status());
  return Seconds(overlap_s);
}

absl::StatusOr<accounts::QuotaChange> ReadQuota(std::string_view body) {
  WL_ASSIGN_OR_RETURN(const json::object object, ObjectOf(body));
  JsonFields fields(object);
  accounts::QuotaChange change;
  fields.Text("tenant", serving::kMaxNameBytes, &change.tenant);
  for (const auto& [name, limit, read] :
       {std::tuple{"requests_per_day", &change.requests_day, &ReadCount},
        {"tokens_per_minute", &change.tokens_minute, &ReadCount},
        {"concurrent_requests", &change.concurrent, &ReadCount},
        {"monthly_soft_usd", &change.soft_micro, &ReadUsd},
        {"monthly_hard_usd", &change.hard_micro, &ReadUsd}}) {
    *limit =
        IsNull(object, name) ? accounts::QuotaChange::Limit(std::in_place) : read(fields, name);
  }
  if (IsNull(object, "prepaid_usd")) {
    fields.Fail("prepaid_usd",
                "must not be null: it is what was paid in, not a limit; \"0\" pays all of it back");
  }
  if (const auto paid_in = ReadUsd(fields, "prepaid_usd")) change.prepaid_micro = *paid_in;
  if (IsNull(object, "project_shares")) change.shares.emplace();
  ReadShares(fields, &change);
  fields.RefuseOthers({"tenant", "requests_per_day", "tokens_per_minute", "concurrent_requests",
                       "monthly_soft_usd", "monthly_hard_usd", "prepaid_usd", "project_shares"});
  fields.Require({"tenant"});
  WL_RETURN_IF_ERROR(fields.status());
  return change;
}

std::string TenantsJson(const std::vector<accounts::Tenant>& tenants) {
  return ListOf("tenants", tenants, [](const accounts::Tenant& tenant) {
    return json::object{{"name", tenant.name},
                        {"plan", tenant.plan},
                        {"created_at", SecondsOf(tenant.created_us)},
                        {"disabled_at", SecondsOf(tenant.disabled_us)},
                        {"spent_usd", tenant.spent.Format()},
                        {"held_usd", UsdOf(tenant.held_micro)}};
  });
}

std::string NewKeyJson(const accounts::NewKey& made) {
  json::object out = KeyObject(made.key);
  out["key"] = made.secret;
  return json::serialize(out);
}

std::string KeysJson(const std::vector<accounts::Key>& keys) {
  return ListOf("keys", keys, KeyObject);
}

std::string QuotaJson(const accounts::Quota& quota) { return json::serialize(QuotaObject(quota)); }

std::string QuotasJson(const std::vector<accounts::Quota>& quotas) {
  return ListOf("quotas", quotas, QuotaObject);
}

}  // namespace waferline::http
