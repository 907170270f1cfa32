#include "server/accounts/project_tables.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/accounts/account_tables.h"
#include "server/accounts/names.h"
#include "wafer_backend/base/status.h"

namespace waferline::accounts {
namespace {

using store::Connection;
using store::IntegerOf;
using store::Result;
using store::Row;
using store::TextOf;

constexpr char kProjects[] = "SELECT id, tenant, name, created_us, archived_us FROM project";

Project ProjectOf(const Row& row) {
  return {.id = TextOf(row[0]),
          .tenant = TextOf(row[1]),
          .name = TextOf(row[2]),
          .created_us = IntegerOf(row[3]),
          .archived_us = IntegerOf(row[4])};
}

absl::Status NeedActive(const Project& project) {
  if (project.archived_us == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the project '", project.id, "' is archived, for good: make another one"));
}

}  // namespace

absl::Status AddProject(Connection& connection, const Project& project) {
  WL_RETURN_IF_ERROR(NeedTenant(connection, project.tenant));
  WL_RETURN_IF_ERROR(connection
                         .Run("INSERT INTO project(id, tenant, name, created_us, archived_us) "
                              "VALUES($1, $2, $3, $4, 0) ON CONFLICT(tenant, id) DO NOTHING",
                              {project.id, project.tenant, project.name, project.created_us})
                         .status());
  WL_ASSIGN_OR_RETURN(const Project found, FindProject(connection, project.id, project.tenant));
  return NeedActive(found);
}

absl::StatusOr<Project> FindProject(Connection& connection, const std::string& id,
                                    const std::string& tenant) {
  WL_ASSIGN_OR_RETURN(const Result found,
                      connection.Run(absl::StrCat(kProjects,
                                                  " WHERE id = $1 AND ($2 = '' OR tenant = $2) "
                                                  "ORDER BY tenant"),
                                     {id, tenant}));
  if (found.rows.empty()) {
    return absl::NotFoundError(absl::StrCat("there is no project '", id, "'"));
  }
  if (found.rows.size() == 1) return ProjectOf(found.rows[0]);
  return absl::InvalidArgumentError(
      absl::StrCat("several tenants have a project '", id, "': name one with ?tenant="));
}

absl::StatusOr<std::string> ProjectIdOf(Connection& connection, const std::string& tenant,
                                        const std::string& wanted) {
  WL_ASSIGN_OR_RETURN(
      const Result found,
      connection.Run("SELECT id FROM project WHERE tenant = $1 AND (id = $2 OR (name = $2 AND "
                     "archived_us = 0)) ORDER BY id = $2 DESC, id",
                     {tenant, wanted}));
  if (found.rows.empty()) return wanted;
  std::vector<std::string> ids;
  for (const Row& row : found.rows) ids.push_back(TextOf(row[0]));
  if (ids.size() == 1 || ids[0] == wanted) return ids[0];
  return FieldError("project", absl::StrCat("several projects are named '", wanted,
                                            "', give an id: ", absl::StrJoin(ids, ", ")));
}

absl::StatusOr<std::vector<Project>> ListProjects(Connection& connection) {
  WL_ASSIGN_OR_RETURN(const Result found,
                      connection.Run(absl::StrCat(kProjects, " ORDER BY tenant, id"), {}));
  std::vector<Project> projects;
  for (const Row& row : found.rows) projects.push_back(ProjectOf(row));
  return projects;
}

absl::Status RenameProject(Connection& connection, const std::string& id, const std::string& tenant,
                           const std::string& name) {
  WL_ASSIGN_OR_RETURN(const Project project, FindProject(connection, id, tenant));
  WL_RETURN_IF_ERROR(NeedActive(project));
  return connection
      .Run("UPDATE project SET name = $3 WHERE tenant = $1 AND id = $2",
           {project.tenant, project.id, name})
      .status();
}

absl::Status ArchiveProject(Connection& connection, const std::string& id,
                            const std::string& tenant, int64_t now_us) {
  WL_ASSIGN_OR_RETURN(const Project project, FindProject(connection, id, tenant));
  if (project.archived_us != 0) return absl::OkStatus();
  WL_RETURN_IF_ERROR(connection
                         .Run("UPDATE project SET archived_us = $3 WHERE tenant = $1 AND id = $2",
                              {project.tenant, project.id, now_us})
                         .status());
  WL_RETURN_IF_ERROR(
      connection
          .Run("UPDATE api_key SET revoked_us = $3 WHERE tenant = $1 AND project = $2 AND "
               "revoked_us = 0",
               {project.tenant, project.id, now_us})
          .status());
  return RaiseAccessVersion(connection);
}

}  // namespace waferline::accounts
