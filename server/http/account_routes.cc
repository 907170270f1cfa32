#include "server/http/account_routes.h"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <string>
#include <utility>
#include <vector>

#include "server/http/account_json.h"

namespace waferline::http {
namespace {

// What stands for {id} in a route that begins and ends so.
std::string NamedBetween(const Call& call, std::string_view before, std::string_view after = "") {
  const std::string& path = call.exchange->request().path;
  return path.substr(before.size(), path.size() - before.size() - after.size());
}

std::string DoneJson(const char* what, const std::string& name) {
  return boost::json::serialize(boost::json::object{{what, name}});
}

}  // namespace

void AccountRoutes::Fail(const Call& call, const absl::Status& status) const {
  generations_->SendError(*call.exchange, status, Seconds(1));
}

template <typename Answer, typename Json>
accounts::Done<Answer> AccountRoutes::Later(const Call& call, Json json) const {
  return [this, call, json](absl::StatusOr<Answer> answer) {
    post_([this, call, json, answer = std::move(answer)] {
      if (!answer.ok()) return Fail(call, answer.status());
      call.exchange->Send({.content_type = "application/json", .body = json(*answer)});
    });
  };
}

void AccountRoutes::ListTenants(const Call& call) const {
  accounts().ListTenants(Later<std::vector<accounts::Tenant>>(call, TenantsJson));
}

void AccountRoutes::AddTenant(const Call& call) const {
  const auto name = ReadTenantName(call.exchange->request().body);
  if (!name.ok()) return Fail(call, name.status());
  accounts().AddTenant(*name, Later<std::string>(call, [](const std::string& added) {
    return DoneJson("name", added);
  }));
}

void AccountRoutes::DisableTenant(const Call& call) const {
  accounts().DisableTenant(
      NamedBetween(call, "/admin/tenants/"),
      Later<std::string>(call, [](const std::string& name) { return DoneJson("disabled", name); }));
}

void AccountRoutes::ListKeys(const Call& call) const {
  accounts().ListKeys(Later<std::vector<accounts::Key>>(call, KeysJson));
}

void AccountRoutes::CreateKey(const Call& call) const {
  const auto key = ReadKey(call.exchange->request().body, NowUs());
  if (!key.ok()) return Fail(call, key.status());
  accounts().CreateKey(*key, Later<accounts::NewKey>(call, NewKeyJson));
}

void AccountRoutes::RotateKey(const Call& call) const {
  const auto overlap = ReadOverlap(call.exchange->request().body);
  if (!overlap.ok()) return Fail(call, overlap.status());
  accounts().RotateKey(NamedBetween(call, "/admin/keys/", "/rotate"), *overlap,
                       Later<accounts::NewKey>(call, NewKeyJson));
}

void AccountRoutes::RevokeKey(const Call& call) const {
  accounts().RevokeKey(
      NamedBetween(call, "/admin/keys/"),
      Later<std::string>(call, [](const std::string& id) { return DoneJson("revoked", id); }));
}

void AccountRoutes::ListQuotas(const Call& call) const {
  accounts().ListQuotas(Later<std::vector<accounts::Quota>>(call, QuotasJson));
}

void AccountRoutes::SetQuota(const Call& call) const {
  const auto quota = ReadQuota(call.exchange->request().body);
  if (!quota.ok()) return Fail(call, quota.status());
  accounts().SetQuota(*quota, Later<accounts::Quota>(call, QuotaJson));
}

void AccountRoutes::RemoveQuota(const Call& call) const {
  accounts().SetQuota({.tenant = NamedBetween(call, "/admin/quotas/")},
                      Later<accounts::Quota>(call, QuotaJson));
}

void AccountRoutes::Usage(const Call& call) const {
  auto query = ReadUsageQuery(call.exchange->request().query, NowUs() + 1'000'000);
  if (!query.ok()) return Fail(call, query.status());
  if (!call.caller.admin) {
    query->only[static_cast<size_t>(accounts::UsageBy::kTenant)] = {call.caller.tenant};
  }
  accounts().Usage(*query, Later<std::vector<accounts::UsageBucket>>(
                               call, [query = *query](const auto& buckets) {
                                 return UsageJson(query, buckets);
                               }));
}

}  // namespace waferline::http
