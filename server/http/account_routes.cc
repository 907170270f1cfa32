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

constexpr char kJsonType[] = "application/json";
constexpr std::string_view kInvoices = "/admin/invoices/";

std::string DoneJson(const char* what, const std::string& name) {
  return boost::json::serialize(boost::json::object{{what, name}});
}

}  // namespace

void AccountRoutes::Fail(const Call& call, const absl::Status& status) const {
  generations_->SendError(*call.exchange, status, Seconds(1));
}

void AccountRoutes::ListTenants(const Call& call) const {
  accounts().ListTenants(Later<std::vector<accounts::Tenant>>(call, TenantsJson));
}

void AccountRoutes::AddTenant(const Call& call) const {
  const auto order = ReadTenant(call.exchange->request().body);
  if (!order.ok()) return Fail(call, order.status());
  accounts().AddTenant(order->name, order->plan,
                       Later<std::string>(call, [name = order->name](const std::string& how) {
                         return boost::json::serialize(
                             boost::json::object{{"name", name}, {"found", how == "found"}});
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
  accounts().ChangeQuota(*quota, Later<accounts::Quota>(call, QuotaJson));
}

void AccountRoutes::RemoveQuota(const Call& call) const {
  const accounts::QuotaChange::Limit none(std::in_place);
  accounts().ChangeQuota({.tenant = NamedBetween(call, "/admin/quotas/"),
                          .requests_day = none,
                          .tokens_minute = none,
                          .concurrent = none,
                          .soft_micro = none,
                          .hard_micro = none,
                          .shares = {{}}},
                         Later<accounts::Quota>(call, QuotaJson));
}

void AccountRoutes::Usage(const Call& call) const {
  auto query = ReadUsageQuery(call.exchange->request().query, NowUs() + 1'000'000);
  if (!query.ok()) return Fail(call, query.status());
  if (!call.caller.admin) query->OnlyOfCaller(call.caller.tenant);
  accounts().Usage(*query, Later<accounts::UsageReport>(call, [query = *query](const auto& report) {
    return UsageJson(query, report);
  }));
}

void AccountRoutes::Costs(const Call& call) const {
  auto query = ReadCostQuery(call.exchange->request().query, NowUs() + 1'000'000);
  if (!query.ok()) return Fail(call, query.status());
  if (!call.caller.admin) query->OnlyOfCaller(call.caller.tenant);
  accounts().Usage(*query, Later<accounts::UsageReport>(call, [query = *query](const auto& report) {
    return CostsJson(query, report);
  }));
}

accounts::Done<std::string> AccountRoutes::Text(const Call& call, const char* type) const {
  return [this, call, type](absl::StatusOr<std::string> answer) {
    post_([this, call, type, answer = std::move(answer)] {
      if (!answer.ok()) return Fail(call, answer.status());
      call.exchange->Send({.content_type = type, .body = *answer});
    });
  };
}

void AccountRoutes::ListInvoices(const Call& call) const { books().List(Text(call, kJsonType)); }

void AccountRoutes::FindInvoice(const Call& call) const {
  books().Find(NamedBetween(call, kInvoices), Text(call, kJsonType));
}

void AccountRoutes::InvoiceAsFocus(const Call& call) const {
  books().Export(NamedBetween(call, kInvoices, "/focus"), accounts::ExportFormat::kFocus,
                 Text(call, "text/csv; charset=utf-8"));
}

void AccountRoutes::InvoiceAsEvents(const Call& call) const {
  books().Export(NamedBetween(call, kInvoices, "/events"), accounts::ExportFormat::kCloudEvents,
                 Text(call, "application/jsonl"));
}

void AccountRoutes::CloseInvoice(const Call& call) const {
  books().Close(NamedBetween(call, kInvoices, "/close"), Text(call, kJsonType));
}

void AccountRoutes::CreditInvoice(const Call& call) const {
  auto note = ReadCredit(call.exchange->request().body);
  if (!note.ok()) return Fail(call, note.status());
  books().Credit(NamedBetween(call, kInvoices, "/credits"), *std::move(note),
                 Text(call, kJsonType));
}

void AccountRoutes::VerifyLedger(const Call& call) const { books().Verify(Text(call, kJsonType)); }

void AccountRoutes::Balances(const Call& call) const { books().Balances(Text(call, kJsonType)); }

}  // namespace waferline::http
