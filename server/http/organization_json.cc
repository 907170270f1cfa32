#include "server/http/organization_json.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <tuple>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/openai/api_error.h"
#include "server/openai/fields.h"
#include "server/serving/limits.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::http {
namespace {

namespace json = boost::json;

constexpr int64_t kMaxSeconds = 100LL * 365 * 24 * 3600;
constexpr std::string_view kKey = "key_", kServiceAccount = "svc_";

json::value SecondsOf(int64_t us) { return us == 0 ? json::value() : json::value(us / 1'000'000); }

json::object ObjectOf(const accounts::Project& project) {
  return {{"id", project.id},
          {"object", "organization.project"},
          {"name", project.name},
          {"tenant", project.tenant},
          {"created_at", project.created_us / 1'000'000},
          {"archived_at", SecondsOf(project.archived_us)},
          {"status", project.archived_us == 0 ? "active" : "archived"}};
}

std::string Redacted(const accounts::Key& key) {
  return key.prefix.empty() ? "..." : key.prefix + "...";
}

json::object AdminKeyObject(const accounts::Key& key) {
  return {{"id", key.id},
          {"object", "organization.admin_api_key"},
          {"name", key.name.empty() ? key.id : key.name},
          {"redacted_value", Redacted(key)},
          {"created_at", key.created_us / 1'000'000},
          {"expires_at", SecondsOf(key.expires_us)},
          {"last_used_at", nullptr},
          {"owner", json::object{{"type", "user"},
                                 {"object", "organization.user"},
                                 {"id", key.tenant},
                                 {"name", key.tenant},
                                 {"role", "owner"},
                                 {"created_at", key.created_us / 1'000'000}}}};
}

json::object ServiceAccountObject(const accounts::Key& key) {
  return {{"id", ServiceAccountOf(key.id)},
          {"object", "organization.project.service_account"},
          {"name", key.name.empty() ? key.id : key.name},
          {"role", "member"},
          {"created_at", key.created_us / 1'000'000}};
}

json::object ProjectKeyObject(const accounts::Key& key) {
  json::object owner = ServiceAccountObject(key);
  owner.erase("object");
  return {{"id", key.id},
          {"object", "organization.project.api_key"},
          {"name", key.name.empty() ? key.id : key.name},
          {"redacted_value", Redacted(key)},
          {"created_at", key.created_us / 1'000'000},
          {"expires_at", SecondsOf(key.expires_us)},
          {"last_used_at", nullptr},
          {"owner_project_access", "active"},
          {"owner", json::object{{"type", "service_account"}, {"service_account", owner}}}};
}

// `all` in the order of the list, each with its id.
absl::StatusOr<std::string> PageOf(const std::vector<json::object>& all, const ListQuery& query) {
  auto from = all.begin();
  if (!query.after.empty()) {
    from = std::find_if(all.begin(), all.end(), [&](const json::object& one) {
      return one.at("id").as_string() == query.after;
    });
    if (from == all.end()) {
      return openai::FieldError("after", absl::StrCat("there is no '", query.after, "' here"));
    }
    ++from;
  }
  const auto left = static_cast<int64_t>(all.end() - from);
  const auto to = from + static_cast<std::ptrdiff_t>(std::min(left, query.limit));
  json::array data(from, to);
  json::object page{{"object", "list"}, {"has_more", to != all.end()}};
  page["first_id"] = data.empty() ? json::value() : data.front().at("id");
  page["last_id"] = data.empty() ? json::value() : data.back().at("id");
  page["data"] = std::move(data);
  return json::serialize(page);
}

absl::Status ReadListField(const std::string& name, const std::string& value, Listed what,
                           ListQuery* out) {
  const auto flag = [&](bool* target, const char* on, const char* off) -> absl::Status {
    *target = value == on;
    if (*target || value == off) return absl::OkStatus();
    return openai::FieldError(name, absl::StrCat("must be ", on, " or ", off));
  };
  if (name == "after") return out->after = value, absl::OkStatus();
  if (name == "tenant") return out->tenant = value, absl::OkStatus();
  if (name == "limit") {
    const bool good = absl::SimpleAtoi(value, &out->limit) && out->limit >= 1 && out->limit <= 100;
    return good ? absl::OkStatus() : openai::FieldError("limit", "must be from 1 to 100");
  }
  if (name == "include_archived" && what == Listed::kProjects) {
    return flag(&out->archived, "true", "false");
  }
  if (name == "order" && what == Listed::kAdminKeys) {
    return flag(&out->newest_first, "desc", "asc");
  }
  if (name == "owner_project_access" && what == Listed::kProjectKeys) {
    return flag(&out->inactive, "inactive", "active");
  }
  const char* more = what == Listed::kProjects      ? ", include_archived"
                     : what == Listed::kAdminKeys   ? ", order"
                     : what == Listed::kProjectKeys ? ", owner_project_access"
                                                    : "";
  return openai::FieldError(name,
                            absl::StrCat("is not known here; known: limit, after, tenant", more));
}

struct NamedOrder {
  std::string name, tenant;
  int64_t lasts_s = 0;
};
absl::StatusOr<NamedOrder> ReadNamed(std::string_view body,
                                     std::initializer_list<std::string_view> known) {
  WL_ASSIGN_OR_RETURN(const json::object object, openai::ParseObject(body));
  openai::Fields fields(object);
  NamedOrder order;
  fields.Text("name", serving::kMaxNameBytes, &order.name);
  fields.Text("tenant", serving::kMaxNameBytes, &order.tenant);
  fields.Int("expires_in_seconds", 1, kMaxSeconds, &order.lasts_s);
  fields.Unsupported("create_service_account_only", "a service account here is the name of a key");
  fields.RefuseOthers(known);
  fields.Require({"name"});
  WL_RETURN_IF_ERROR(fields.status());
  return order;
}

}  // namespace

absl::StatusOr<ListQuery> ReadList(std::string_view query, Listed what) {
  ListQuery out;
  const std::vector<std::string> parts = absl::StrSplit(Absl(query), '&', absl::SkipEmpty());
  for (const std::string& part : parts) {
    const std::pair<std::string, std::string> field = absl::StrSplit(part, absl::MaxSplits('=', 1));
    WL_RETURN_IF_ERROR(ReadListField(field.first, field.second, what, &out));
  }
  return out;
}

absl::StatusOr<std::string> ReadTenantQuery(std::string_view query) {
  constexpr std::string_view kTenant = "tenant=";
  if (query.empty()) return std::string();
  if (query.starts_with(kTenant) && query.find('&') == query.npos) {
    return std::string(query.substr(kTenant.size()));
  }
  return openai::FieldError(std::string(query.substr(0, query.find('='))),
                            "is not known here; known: tenant");
}

absl::StatusOr<accounts::Project> ReadProject(std::string_view body, const std::string& tenant) {
  WL_ASSIGN_OR_RETURN(const NamedOrder order, ReadNamed(body, {"name", "tenant"}));
  return accounts::Project{.tenant = order.tenant.empty() ? tenant : order.tenant,
                           .name = order.name};
}

absl::StatusOr<accounts::Key> ReadAdminKey(std::string_view body, const std::string& tenant,
                                           int64_t now_us) {
  WL_ASSIGN_OR_RETURN(const NamedOrder order,
                      ReadNamed(body, {"name", "tenant", "expires_in_seconds"}));
  return accounts::Key{.tenant = order.tenant.empty() ? tenant : order.tenant,
                       .name = order.name,
                       .admin = true,
                       .expires_us = order.lasts_s == 0 ? 0 : now_us + order.lasts_s * 1'000'000};
}

absl::StatusOr<accounts::Key> ReadServiceAccount(std::string_view body,
                                                 const accounts::Project& project, int64_t now_us) {
  WL_ASSIGN_OR_RETURN(const NamedOrder order, ReadNamed(body, {"name", "expires_in_seconds",
                                                               "create_service_account_only"}));
  return accounts::Key{.tenant = project.tenant,
                       .project = project.id,
                       .name = order.name,
                       .expires_us = order.lasts_s == 0 ? 0 : now_us + order.lasts_s * 1'000'000};
}

std::string ServiceAccountOf(const std::string& key_id) {
  return key_id.starts_with(kKey) ? absl::StrCat(Absl(kServiceAccount), key_id.substr(kKey.size()))
                                  : key_id;
}

std::string KeyOfServiceAccount(const std::string& id) {
  if (!id.starts_with(kServiceAccount)) return "";
  return absl::StrCat(Absl(kKey), id.substr(kServiceAccount.size()));
}

std::string ProjectJson(const accounts::Project& project) {
  return json::serialize(ObjectOf(project));
}

std::string AdminKeyJson(const accounts::Key& key, const std::string* secret) {
  json::object out = AdminKeyObject(key);
  if (secret != nullptr) out["value"] = *secret;
  return json::serialize(out);
}

std::string ProjectKeyJson(const accounts::Key& key) {
  return json::serialize(ProjectKeyObject(key));
}

std::string ServiceAccountJson(const accounts::Key& key, const std::string* secret) {
  json::object out = ServiceAccountObject(key);
  if (secret != nullptr) {
    out["api_key"] = {{"id", key.id},
                      {"object", "organization.project.service_account.api_key"},
                      {"name", key.name},
                      {"value", *secret},
                      {"created_at", key.created_us / 1'000'000},
                      {"expires_at", SecondsOf(key.expires_us)}};
  }
  return json::serialize(out);
}

std::string DeletedJson(const char* object, const std::string& id) {
  return json::serialize(json::object{{"object", object}, {"id", id}, {"deleted", true}});
}

absl::StatusOr<std::string> ProjectsJson(const std::vector<accounts::Project>& projects,
                                         const ListQuery& query) {
  std::vector<json::object> all;
  for (const accounts::Project& project : projects) {
    if (project.archived_us != 0 && !query.archived) continue;
    if (!query.tenant.empty() && project.tenant != query.tenant) continue;
    all.push_back(ObjectOf(project));
  }
  return PageOf(all, query);
}

absl::StatusOr<std::string> KeyPageJson(std::vector<accounts::Key> keys, const ListQuery& query,
                                        Listed what) {
  std::sort(keys.begin(), keys.end(), [](const auto& a, const auto& b) {
    return std::tie(a.created_us, a.id) < std::tie(b.created_us, b.id);
  });
  if (query.newest_first) std::reverse(keys.begin(), keys.end());
  std::vector<json::object> all;
  for (const accounts::Key& key : keys) {
    if (query.inactive || (!query.tenant.empty() && key.tenant != query.tenant)) continue;
    all.push_back(what == Listed::kAdminKeys     ? AdminKeyObject(key)
                  : what == Listed::kProjectKeys ? ProjectKeyObject(key)
                                                 : ServiceAccountObject(key));
  }
  return PageOf(all, query);
}

std::vector<accounts::Key> KeysOf(const std::vector<accounts::Key>& keys,
                                  const accounts::Project* project) {
  std::vector<accounts::Key> out;
  for (const accounts::Key& key : keys) {
    const bool mine = project == nullptr
                          ? key.admin
                          : key.tenant == project->tenant && key.project == project->id;
    if (mine && key.revoked_us == 0) out.push_back(key);
  }
  return out;
}

}  // namespace waferline::http
