// The JSON of OpenAI's organization: projects, their service accounts and keys, admin keys. Here an
// organization's project belongs to a tenant, an admin key is a key that may operate, and a service
// account is the name of one key of a project. Pure functions, any thread. Bodies and queries are
// strict, as in account_json.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/accounts/accounts.h"

namespace waferline::http {

// limit (1 to 100, 20 if not given), after (an id), tenant; include_archived of projects, order
// (asc, desc) of admin keys, owner_project_access of project keys.
struct ListQuery {
  int64_t limit = 20;
  std::string after;
  std::string tenant;
  bool archived = false;
  bool newest_first = false;
  bool inactive = false;  // only owners without access, of which there are none
};
enum class Listed : uint8_t { kProjects, kProjectKeys, kServiceAccounts, kAdminKeys };
absl::StatusOr<ListQuery> ReadList(std::string_view query, Listed what);
// The field `tenant` of a query that has no other; "" without.
absl::StatusOr<std::string> ReadTenantQuery(std::string_view query);

// {"name", "tenant"?}; `tenant`: the caller's, which holds if the body names none.
absl::StatusOr<accounts::Project> ReadProject(std::string_view body, const std::string& tenant);
// {"name", "expires_in_seconds"?, "tenant"?}: an admin key, or one of a project, which has a
// tenant.
absl::StatusOr<accounts::Key> ReadAdminKey(std::string_view body, const std::string& tenant,
                                           int64_t now_us);
absl::StatusOr<accounts::Key> ReadServiceAccount(std::string_view body,
                                                 const accounts::Project& project, int64_t now_us);

// "svc_..." of "key_...", and back; "" for any other.
std::string ServiceAccountOf(const std::string& key_id);
std::string KeyOfServiceAccount(const std::string& id);

std::string ProjectJson(const accounts::Project& project);
std::string AdminKeyJson(const accounts::Key& key, const std::string* secret);
std::string ProjectKeyJson(const accounts::Key& key);
std::string ServiceAccountJson(const accounts::Key& key, const std::string* secret);
// {"object", "id", "deleted": true}
std::string DeletedJson(const char* object, const std::string& id);

// Pages in OpenAI's form. InvalidArgument: `after` is none of them.
absl::StatusOr<std::string> ProjectsJson(const std::vector<accounts::Project>& projects,
                                         const ListQuery& query);
absl::StatusOr<std::string> KeyPageJson(std::vector<accounts::Key> keys, const ListQuery& query,
                                        Listed what);

// What of `keys` is listed: neither revoked nor another project's ("": admin keys).
std::vector<accounts::Key> KeysOf(const std::vector<accounts::Key>& keys,
                                  const accounts::Project* project);

}  // namespace waferline::http
