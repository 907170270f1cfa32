// OpenAI's projects (account_json.h): here a project is a name that keys of a tenant share.
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/http/account_json.h"
#include "server/openai/api_error.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::http {
namespace {

namespace json = boost::json;

struct Project {
  int64_t created_us = 0;
  int64_t archived_us = 0;  // 0: it has a key
};

std::map<std::string, Project> ProjectsOf(const std::vector<accounts::Key>& keys,
                                          const std::string& tenant) {
  std::map<std::string, Project> projects;
  for (const accounts::Key& key : keys) {
    if (key.project.empty() || (!tenant.empty() && key.tenant != tenant)) continue;
    const auto [found, added] =
        projects.try_emplace(key.project, Project{key.created_us, key.revoked_us});
    if (added) continue;
    Project& project = found->second;
    project.created_us = std::min(project.created_us, key.created_us);
    const bool archived = project.archived_us != 0 && key.revoked_us != 0;
    project.archived_us = archived ? std::max(project.archived_us, key.revoked_us) : 0;
  }
  return projects;
}

json::object ObjectOf(const std::string& name, const Project& project) {
  json::object out{{"id", name},
                   {"object", "organization.project"},
                   {"name", name},
                   {"created_at", project.created_us / 1'000'000},
                   {"status", project.archived_us == 0 ? "active" : "archived"}};
  out["archived_at"] =
      project.archived_us == 0 ? json::value() : json::value(project.archived_us / 1'000'000);
  return out;
}

struct ListQuery {
  int64_t limit = 20;
  std::string after;
  bool archived = false;
};

absl::StatusOr<ListQuery> ReadList(std::string_view query) {
  ListQuery out;
  const std::vector<std::string> parts = absl::StrSplit(Absl(query), '&', absl::SkipEmpty());
  for (const std::string& part : parts) {
    const std::pair<std::string, std::string> field = absl::StrSplit(part, absl::MaxSplits('=', 1));
    if (field.first == "after") {
      out.after = field.second;
    } else if (field.first == "include_archived") {
      out.archived = field.second == "true";
    } else if (field.first != "limit") {
      return openai::FieldError(field.first,
                                "is not known here; known are limit, after, include_archived");
    } else if (!absl::SimpleAtoi(field.second, &out.limit) || out.limit < 1 || out.limit > 100) {
      return openai::FieldError("limit", "must be from 1 to 100");
    }
  }
  return out;
}

}  // namespace

absl::StatusOr<std::string> ProjectsJson(const std::vector<accounts::Key>& keys,
                                         std::string_view query, const std::string& tenant) {
  WL_ASSIGN_OR_RETURN(const ListQuery list, ReadList(query));
  json::array data;
  bool more = false;
  for (const auto& [name, project] : ProjectsOf(keys, tenant)) {
    if (name <= list.after || (project.archived_us != 0 && !list.archived)) continue;
    more = data.size() == static_cast<size_t>(list.limit);
    if (more) break;
    data.push_back(ObjectOf(name, project));
  }
  json::object page{{"object", "list"}, {"has_more", more}};
  page["first_id"] = data.empty() ? json::value() : data.front().at("id");
  page["last_id"] = data.empty() ? json::value() : data.back().at("id");
  page["data"] = std::move(data);
  return json::serialize(page);
}

absl::StatusOr<std::string> ProjectJson(const std::vector<accounts::Key>& keys,
                                        const std::string& id, const std::string& tenant) {
  const std::map<std::string, Project> projects = ProjectsOf(keys, tenant);
  const auto found = projects.find(id);
  if (found == projects.end()) {
    return absl::NotFoundError(absl::StrCat("there is no project '", id, "'"));
  }
  return json::serialize(ObjectOf(id, found->second));
}

}  // namespace waferline::http
