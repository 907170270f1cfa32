#include "server/accounts/account_tables.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "server/accounts/names.h"
#include "server/accounts/project_tables.h"
#include "wafer_backend/base/status.h"

namespace waferline::accounts {
namespace {

using store::Connection;
using store::IntegerOf;
using store::Result;
using store::Row;
using store::TextOf;

// Model names hold no line feeds.
std::string JoinedModels(const std::vector<std::string>& models) {
  return absl::StrJoin(models, "\n");
}

Key KeyOf(const Row& row) {
  Key key{.id = TextOf(row[0]),
          .digest = TextOf(row[1]),
          .prefix = TextOf(row[2]),
          .tenant = TextOf(row[3]),
          .project = TextOf(row[4]),
          .admin = IntegerOf(row[5]) != 0,
          .read_usage = IntegerOf(row[6]) != 0,
          .from_file = TextOf(row[8]) == "file",
          .created_us = IntegerOf(row[9]),
          .expires_us = IntegerOf(row[10]),
          .revoked_us = IntegerOf(row[11])};
  key.name = TextOf(row[12]);
  const std::string models = TextOf(row[7]);
  if (!models.empty()) key.models = absl::StrSplit(models, '\n');
  return key;
}

constexpr char kKeyColumns[] =
    "SELECT id, digest, prefix, tenant, project, admin, read_usage, models, origin, created_us, "
    "expires_us, revoked_us, name FROM api_key";

absl::StatusOr<Key> FindKey(Connection& connection, const std::string& id) {
  WL_ASSIGN_OR_RETURN(const Result found,
                      connection.Run(absl::StrCat(kKeyColumns, " WHERE id = $1"), {id}));
  if (found.rows.empty()) return absl::NotFoundError(absl::StrCat("there is no key '", id, "'"));
  Key key = KeyOf(found.rows[0]);
  if (key.from_file) {
    return absl::InvalidArgumentError(
        absl::StrCat("the key '", id, "' is one of the configuration's api_keys: change it there"));
  }
  return key;
}

absl::Status InsertKey(Connection& connection, const Key& key) {
  return connection
      .Run(
          "INSERT INTO api_key(id, digest, prefix, tenant, project, admin, read_usage, models, "
          "origin, created_us, expires_us, revoked_us, name) VALUES($1, $2, $3, $4, $5, $6, $7, "
          "$8, "
          "$9, $10, $11, 0, $12) ON CONFLICT DO NOTHING",
          {key.id, key.digest, key.prefix, key.tenant, key.project, int64_t{key.admin},
           int64_t{key.read_usage}, JoinedModels(key.models),
           std::string(key.from_file ? "file" : "api"), key.created_us, key.expires_us, key.name})
      .status();
}

}  // namespace

absl::Status RaiseAccessVersion(Connection& connection) {
  return connection.Run("UPDATE setting SET value = value + 1 WHERE name = 'access_version'", {})
      .status();
}

absl::Status NeedTenant(Connection& connection, const std::string& name) {
  WL_ASSIGN_OR_RETURN(const Result found,
                      connection.Run("SELECT disabled_us FROM tenant WHERE name = $1", {name}));
  if (found.rows.empty()) {
    return absl::NotFoundError(absl::StrCat("there is no tenant '", name, "'; add it first"));
  }
  if (IntegerOf(found.rows[0][0]) == 0) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("the tenant '", name, "' is disabled"));
}

absl::Status AddTenant(Connection& connection, const NewTenant& tenant) {
  const std::string keep = tenant.plan ? ", plan = $3" : "";
  WL_RETURN_IF_ERROR(
      connection
          .Run(absl::StrCat("INSERT INTO tenant(name, created_us, disabled_us, plan) VALUES($1, "
                            "$2, 0, $3) ON CONFLICT(name) DO UPDATE SET disabled_us = 0",
                            keep),
               {tenant.name, tenant.now_us, tenant.plan.value_or("")})
          .status());
  return RaiseAccessVersion(connection);
}

absl::Status DisableTenant(Connection& connection, const std::string& name, int64_t now_us) {
  WL_ASSIGN_OR_RETURN(
      const Result done,
      connection.Run("UPDATE tenant SET disabled_us = CASE WHEN disabled_us = 0 THEN $2 ELSE "
                     "disabled_us END WHERE name = $1",
                     {name, now_us}));
  if (done.changed == 0)
    return absl::NotFoundError(absl::StrCat("there is no tenant '", name, "'"));
  return RaiseAccessVersion(connection);
}

absl::StatusOr<std::vector<Tenant>> ListTenants(Connection& connection) {
  WL_ASSIGN_OR_RETURN(
      const Result found,
      connection.Run("SELECT name, plan, created_us, disabled_us, COALESCE(SUM(spent_micro), 0), "
                     "COALESCE(SUM(spent_pico), 0), COALESCE(SUM(held_micro), 0) FROM tenant LEFT "
                     "JOIN account ON account.tenant = name AND project = '' AND period > 0 GROUP "
                     "BY name, plan, created_us, disabled_us ORDER BY name",
                     {}));
  std::vector<Tenant> tenants;
  for (const Row& row : found.rows) {
    WL_ASSIGN_OR_RETURN(const Money spent,
                        Money::FromColumns({IntegerOf(row[4]) + IntegerOf(row[5]) / 1'000'000,
                                            static_cast<int32_t>(IntegerOf(row[5]) % 1'000'000)}));
    tenants.push_back({TextOf(row[0]), TextOf(row[1]), IntegerOf(row[2]), IntegerOf(row[3]), spent,
                       IntegerOf(row[6])});
  }
  return tenants;
}

absl::StatusOr<Key> AddKey(Connection& connection, Key key) {
  WL_RETURN_IF_ERROR(NeedTenant(connection, key.tenant));
  if (!key.project.empty()) {
    WL_ASSIGN_OR_RETURN(key.project, ProjectIdOf(connection, key.tenant, key.project));
    WL_RETURN_IF_ERROR(AddProject(connection, {.id = key.project,
                                               .tenant = key.tenant,
                                               .name = key.project,
                                               .created_us = key.created_us}));
  }
  WL_RETURN_IF_ERROR(InsertKey(connection, key));
  WL_RETURN_IF_ERROR(RaiseAccessVersion(connection));
  return key;
}

absl::Status ImportKey(Connection& connection, const Key& key) {
  WL_RETURN_IF_ERROR(connection
                         .Run("INSERT INTO tenant(name, created_us, disabled_us) VALUES($1, $2, 0) "
                              "ON CONFLICT(name) DO NOTHING",
                              {key.tenant, key.created_us})
                         .status());
  return InsertKey(connection, key);
}

absl::Status RevokeKey(Connection& connection, const std::string& id, int64_t now_us) {
  WL_RETURN_IF_ERROR(FindKey(connection, id).status());
  WL_RETURN_IF_ERROR(
      connection
          .Run("UPDATE api_key SET revoked_us = $2 WHERE id = $1 AND revoked_us = 0", {id, now_us})
          .status());
  return RaiseAccessVersion(connection);
}

absl::Status RotateKey(Connection& connection, const std::string& old_id, Key fresh,
                       int64_t old_ends_us) {
  WL_ASSIGN_OR_RETURN(const Key old, FindKey(connection, old_id));
  if (old.revoked_us != 0) {
    return absl::InvalidArgumentError(absl::StrCat("the key '", old_id, "' is revoked"));
  }
  fresh.tenant = old.tenant;
  fresh.project = old.project;
  fresh.name = old.name;
  fresh.admin = old.admin;
  fresh.read_usage = old.read_usage;
  fresh.models = old.models;
  WL_RETURN_IF_ERROR(AddKey(connection, std::move(fresh)).status());
  return connection
      .Run(
          "UPDATE api_key SET expires_us = $2 WHERE id = $1 AND (expires_us = 0 OR expires_us > "
          "$2)",
          {old_id, old_ends_us})
      .status();
}

absl::StatusOr<std::vector<Key>> ListKeys(Connection& connection) {
  WL_ASSIGN_OR_RETURN(
      const Result found,
      connection.Run(absl::StrCat(kKeyColumns, " ORDER BY tenant, created_us, id"), {}));
  std::vector<Key> keys;
  for (const Row& row : found.rows) keys.push_back(KeyOf(row));
  return keys;
}

absl::StatusOr<int64_t> AccessVersion(Connection& connection) {
  WL_ASSIGN_OR_RETURN(
      const Result found,
      connection.Run("SELECT value FROM setting WHERE name = 'access_version'", {}));
  return found.rows.empty() ? 0 : IntegerOf(found.rows[0][0]);
}

}  // namespace waferline::accounts
