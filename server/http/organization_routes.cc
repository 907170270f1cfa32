// OpenAI's organization: projects, service accounts, keys of projects, admin keys
// (account_routes.h). Answers come on threads of the database's; Text takes them to the io thread.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/http/account_routes.h"
#include "server/http/organization_json.h"
#include "wafer_backend/base/strings.h"

namespace waferline::http {
namespace {

constexpr char kJsonType[] = "application/json";
constexpr std::string_view kProjects = "/v1/organization/projects/";
constexpr std::string_view kAdminKeys = "/v1/organization/admin_api_keys/";

// /v1/organization/projects/PROJECT[/KIND[/CHILD]]
struct ProjectPath {
  std::string project, child;
};
ProjectPath PathOf(const Call& call, std::string_view kind) {
  const std::string rest = call.exchange->request().path.substr(kProjects.size());
  const std::string between = absl::StrCat("/", Absl(kind));
  const size_t at = kind.empty() ? rest.npos : rest.find(between);
  if (at == rest.npos) return {rest, ""};
  const size_t child = at + between.size() + 1;
  return {rest.substr(0, at), child < rest.size() ? rest.substr(child) : ""};
}

absl::Status NoKey(const std::string& id) {
  return absl::NotFoundError(absl::StrCat("there is no key '", id, "' here"));
}

const accounts::Key* Find(const std::vector<accounts::Key>& keys, const std::string& id) {
  const auto found =
      std::find_if(keys.begin(), keys.end(), [&](const auto& key) { return key.id == id; });
  return found == keys.end() ? nullptr : &*found;
}

}  // namespace

// Who is not an administrator sees its own tenant's.
std::string AccountRoutes::TenantOf(const Call& call, const std::string& asked) {
  return call.caller.admin ? asked : call.caller.tenant;
}

void AccountRoutes::ListProjects(const Call& call) const {
  auto query = ReadList(call.exchange->request().query, Listed::kProjects);
  if (!query.ok()) return Fail(call, query.status());
  query->tenant = TenantOf(call, query->tenant);
  accounts().ListProjects([this, call, query = *query](const auto& projects) {
    if (!projects.ok()) return Text(call, kJsonType)(projects.status());
    Text(call, kJsonType)(ProjectsJson(*projects, query));
  });
}

void AccountRoutes::CreateProject(const Call& call) const {
  const auto wanted = ReadProject(call.exchange->request().body, call.caller.tenant);
  if (!wanted.ok()) return Fail(call, wanted.status());
  accounts().CreateProject(*wanted, Later<accounts::Project>(call, ProjectJson));
}

void AccountRoutes::OneProject(const Call& call) const {
  const auto tenant = ReadTenantQuery(call.exchange->request().query);
  if (!tenant.ok()) return Fail(call, tenant.status());
  accounts().FindProject(PathOf(call, "").project, TenantOf(call, *tenant),
                         Later<accounts::Project>(call, ProjectJson));
}

void AccountRoutes::UpdateProject(const Call& call) const {
  auto wanted = ReadProject(call.exchange->request().body, "");
  if (!wanted.ok()) return Fail(call, wanted.status());
  wanted->id = PathOf(call, "").project;
  accounts().RenameProject(*wanted, Later<accounts::Project>(call, ProjectJson));
}

void AccountRoutes::ArchiveProject(const Call& call) const {
  const auto tenant = ReadTenantQuery(call.exchange->request().query);
  if (!tenant.ok()) return Fail(call, tenant.status());
  accounts().ArchiveProject(PathOf(call, "archive").project, *tenant,
                            Later<accounts::Project>(call, ProjectJson));
}

// `then` gets the project and its keys, and gives the answer.
void AccountRoutes::WithProject(const Call& call, std::string_view kind, const std::string& tenant,
                                ProjectAnswer then) const {
  const accounts::Done<std::string> done = Text(call, kJsonType);
  accounts().FindProject(
      PathOf(call, kind).project, TenantOf(call, tenant),
      [this, then, done](const absl::StatusOr<accounts::Project>& project) {
        if (!project.ok()) return done(project.status());
        accounts().ListKeys([then, done, project = *project](
                                const absl::StatusOr<std::vector<accounts::Key>>& keys) {
          if (!keys.ok()) return done(keys.status());
          then(project, KeysOf(*keys, &project), done);
        });
      });
}

void AccountRoutes::ListOfProject(const Call& call, std::string_view kind, Listed what) const {
  const auto query = ReadList(call.exchange->request().query, what);
  if (!query.ok()) return Fail(call, query.status());
  ListQuery of_project = *query;
  of_project.tenant = "";
  WithProject(call, kind, query->tenant,
              [what, of_project](const auto&, const auto& keys, const auto& done) {
                done(KeyPageJson(keys, of_project, what));
              });
}

void AccountRoutes::OneOfProject(const Call& call, std::string_view kind, Listed what) const {
  const auto tenant = ReadTenantQuery(call.exchange->request().query);
  if (!tenant.ok()) return Fail(call, tenant.status());
  const std::string child = PathOf(call, kind).child;
  const bool account = what == Listed::kServiceAccounts;
  WithProject(call, kind, *tenant,
              [child, account](const auto&, const auto& keys, const auto& done) {
                const auto* key = Find(keys, account ? KeyOfServiceAccount(child) : child);
                if (key == nullptr) return done(NoKey(child));
                done(account ? ServiceAccountJson(*key, nullptr) : ProjectKeyJson(*key));
              });
}

void AccountRoutes::DeleteOfProject(const Call& call, std::string_view kind, Listed what) const {
  const auto tenant = ReadTenantQuery(call.exchange->request().query);
  if (!tenant.ok()) return Fail(call, tenant.status());
  const std::string child = PathOf(call, kind).child;
  const bool account = what == Listed::kServiceAccounts;
  const char* object = account ? "organization.project.service_account.deleted"
                               : "organization.project.api_key.deleted";
  const std::string id = account ? KeyOfServiceAccount(child) : child;
  WithProject(call, kind, *tenant,
              [this, child, id, object](const auto&, const auto& keys, const auto& done) {
                if (Find(keys, id) == nullptr) return done(NoKey(child));
                accounts().RevokeKey(id, [=](const absl::StatusOr<std::string>& revoked) {
                  if (!revoked.ok()) return done(revoked.status());
                  done(DeletedJson(object, child));
                });
              });
}

void AccountRoutes::ListProjectKeys(const Call& call) const {
  ListOfProject(call, "api_keys", Listed::kProjectKeys);
}
void AccountRoutes::OneProjectKey(const Call& call) const {
  OneOfProject(call, "api_keys", Listed::kProjectKeys);
}
void AccountRoutes::DeleteProjectKey(const Call& call) const {
  DeleteOfProject(call, "api_keys", Listed::kProjectKeys);
}
void AccountRoutes::ListServiceAccounts(const Call& call) const {
  ListOfProject(call, "service_accounts", Listed::kServiceAccounts);
}
void AccountRoutes::OneServiceAccount(const Call& call) const {
  OneOfProject(call, "service_accounts", Listed::kServiceAccounts);
}
void AccountRoutes::DeleteServiceAccount(const Call& call) const {
  DeleteOfProject(call, "service_accounts", Listed::kServiceAccounts);
}

void AccountRoutes::CreateServiceAccount(const Call& call) const {
  const auto tenant = ReadTenantQuery(call.exchange->request().query);
  if (!tenant.ok()) return Fail(call, tenant.status());
  const std::string body = call.exchange->request().body;
  WithProject(call, "service_accounts", *tenant,
              [this, body, now_us = NowUs()](const auto& project, const auto&, const auto& done) {
                const auto wanted = ReadServiceAccount(body, project, now_us);
                if (!wanted.ok()) return done(wanted.status());
                accounts().CreateKey(*wanted, [done](const absl::StatusOr<accounts::NewKey>& made) {
                  if (!made.ok()) return done(made.status());
                  done(ServiceAccountJson(made->key, &made->secret));
                });
              });
}

void AccountRoutes::ListAdminKeys(const Call& call) const {
  const auto query = ReadList(call.exchange->request().query, Listed::kAdminKeys);
  if (!query.ok()) return Fail(call, query.status());
  accounts().ListKeys([this, call, query = *query](const auto& keys) {
    if (!keys.ok()) return Text(call, kJsonType)(keys.status());
    Text(call, kJsonType)(KeyPageJson(KeysOf(*keys, nullptr), query, Listed::kAdminKeys));
  });
}

void AccountRoutes::CreateAdminKey(const Call& call) const {
  const auto wanted = ReadAdminKey(call.exchange->request().body, call.caller.tenant, NowUs());
  if (!wanted.ok()) return Fail(call, wanted.status());
  accounts().CreateKey(*wanted, Later<accounts::NewKey>(call, [](const accounts::NewKey& made) {
    return AdminKeyJson(made.key, &made.secret);
  }));
}

void AccountRoutes::OneAdminKey(const Call& call) const {
  const std::string id = call.exchange->request().path.substr(kAdminKeys.size());
  accounts().ListKeys([this, call, id](const auto& keys) {
    if (!keys.ok()) return Text(call, kJsonType)(keys.status());
    const std::vector<accounts::Key> admins = KeysOf(*keys, nullptr);
    const accounts::Key* key = Find(admins, id);
    if (key == nullptr) return Text(call, kJsonType)(NoKey(id));
    Text(call, kJsonType)(AdminKeyJson(*key, nullptr));
  });
}

void AccountRoutes::DeleteAdminKey(const Call& call) const {
  const std::string id = call.exchange->request().path.substr(kAdminKeys.size());
  const accounts::Done<std::string> done = Text(call, kJsonType);
  accounts().ListKeys([this, id, done](const auto& keys) {
    if (!keys.ok()) return done(keys.status());
    if (Find(KeysOf(*keys, nullptr), id) == nullptr) return done(NoKey(id));
    accounts().RevokeKey(id, [id, done](const absl::StatusOr<std::string>& revoked) {
      if (!revoked.ok()) return done(revoked.status());
      done(DeletedJson("organization.admin_api_key.deleted", id));
    });
  });
}

}  // namespace waferline::http
