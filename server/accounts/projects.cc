// Projects of a running server (accounts.h).
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/accounts/accounts.h"
#include "server/accounts/names.h"

namespace waferline::accounts {

using store::Connection;

void Accounts::CreateProject(const Project& wanted, Done<Project> done) {
  if (const absl::Status bad = CheckName("tenant", wanted.tenant, false); !bad.ok()) {
    return done(bad);
  }
  if (const absl::Status bad = CheckTitle(wanted.name); !bad.ok()) return done(bad);
  if (options_.store == nullptr) return done(NoDatabase());
  Project made = wanted;
  made.id = "proj_" + absl::BytesToHexString(options_.random_bytes(8));
  made.created_us = options_.unix_us();
  Write<Project>([made](Connection& connection) { return AddProject(connection, made); }, made,
                 std::move(done));
}

void Accounts::RenameProject(const Project& renamed, Done<Project> done) {
  if (const absl::Status bad = CheckTitle(renamed.name); !bad.ok()) return done(bad);
  Write<std::string>(
      [renamed](Connection& connection) {
        return accounts::RenameProject(connection, renamed.id, renamed.tenant, renamed.name);
      },
      renamed.id, ThenFind(renamed.id, renamed.tenant, std::move(done)));
}

void Accounts::ArchiveProject(const std::string& id, const std::string& tenant,
                              Done<Project> done) {
  const int64_t now_us = options_.unix_us ? options_.unix_us() : 0;
  Write<std::string>(
      [id, tenant, now_us](Connection& connection) {
        return accounts::ArchiveProject(connection, id, tenant, now_us);
      },
      id, ThenFind(id, tenant, std::move(done)));
}

Done<std::string> Accounts::ThenFind(const std::string& id, const std::string& tenant,
                                     Done<Project> done) {
  return [this, id, tenant, done](const absl::StatusOr<std::string>& changed) {
    if (!changed.ok()) return done(changed.status());
    FindProject(id, tenant, done);
  };
}

void Accounts::FindProject(const std::string& id, const std::string& tenant, Done<Project> done) {
  Ask<Project>(
      [id, tenant](Connection& connection) {
        return accounts::FindProject(connection, id, tenant);
      },
      std::move(done));
}

void Accounts::ListProjects(Done<std::vector<Project>> done) {
  Ask<std::vector<Project>>(accounts::ListProjects, std::move(done));
}

}  // namespace waferline::accounts
