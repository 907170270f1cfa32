// Projects in the tables: what the keys of a tenant are grouped by. Work as account_tables.h says.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/connection.h"

namespace waferline::accounts {

struct Project {
  std::string id;      // in usage records: it never changes
  std::string tenant;  // whose it is; ids of different tenants may be the same
  std::string name;    // for people
  int64_t created_us = 0;
  int64_t archived_us = 0;  // 0: it is not
};

// Adds it, unless the tenant has one of that id. NotFound: no such tenant. InvalidArgument: it is
// archived.
absl::Status AddProject(store::Connection& connection, const Project& project);
// NotFound: the tenant ("": any) has no such project. InvalidArgument: several tenants have.
absl::StatusOr<Project> FindProject(store::Connection& connection, const std::string& id,
                                    const std::string& tenant);
// The id of the tenant's project that `wanted` is the id of, else the name of; `wanted` itself if
// there is none. InvalidArgument: several that are not archived have that name.
absl::StatusOr<std::string> ProjectIdOf(store::Connection& connection, const std::string& tenant,
                                        const std::string& wanted);
// By tenant and id.
absl::StatusOr<std::vector<Project>> ListProjects(store::Connection& connection);
// InvalidArgument: it is archived.
absl::Status RenameProject(store::Connection& connection, const std::string& id,
                           const std::string& tenant, const std::string& name);
// For good: its keys are revoked.
absl::Status ArchiveProject(store::Connection& connection, const std::string& id,
                            const std::string& tenant, int64_t now_us);

}  // namespace waferline::accounts
