// Tenants and keys in the tables. Each function is work inside a transaction; one that
// refuses has written nothing, and one that was committed without its answer (in doubt) gives the
// same answer when it is repeated with the same arguments.
//
// Every change raises `access_version`, by which other servers see that they must load again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/money/money.h"
#include "server/store/connection.h"

namespace waferline::accounts {

struct Tenant {
  std::string name;
  std::string plan;  // of the price book; "": pay as you go
  int64_t created_us = 0;
  int64_t disabled_us = 0;  // 0: it is not
  // Of all time: what was spent, and, in microdollars, what is held for requests in flight.
  Money spent;
  int64_t held_micro = 0;
};

struct Key {
  std::string id;      // "key_...": names it, says nothing of it
  std::string digest;  // SHA-256 in hex; the key itself is not kept
  std::string prefix;  // its first characters, for people
  std::string tenant;
  std::string project;
  std::string name;  // what its maker calls it
  bool admin = false;
  bool read_usage = false;
  std::vector<std::string> models;  // empty: all
  bool from_file = false;           // imported from the configuration, which decides about it
  int64_t created_us = 0;
  int64_t expires_us = 0;  // 0: never
  int64_t revoked_us = 0;  // 0: it is not
};

// Adds what the configuration names, unless it is there; a disabled tenant stays disabled.
absl::Status ImportKey(store::Connection& connection, const Key& key);

struct NewTenant {
  std::string name;
  std::optional<std::string> plan;  // not given: as it is, "" at first
  int64_t now_us = 0;
};
// Adds it, or finds it there; a disabled one is enabled.
absl::Status AddTenant(store::Connection& connection, const NewTenant& tenant);
// NotFound.
absl::Status DisableTenant(store::Connection& connection, const std::string& name, int64_t now_us);
absl::StatusOr<std::vector<Tenant>> ListTenants(store::Connection& connection);

// NotFound: no such tenant, or it is disabled.
absl::Status NeedTenant(store::Connection& connection, const std::string& name);
// After a change that other servers must load.
absl::Status RaiseAccessVersion(store::Connection& connection);

// Gives it as it is kept. Its project may be one's id or name (ProjectIdOf), and is added if the
// tenant has none such. NotFound: no such tenant, or it is disabled. InvalidArgument: the project
// is archived, or several have that name.
absl::StatusOr<Key> AddKey(store::Connection& connection, Key key);
// NotFound: no such key. InvalidArgument: it is the configuration's.
absl::Status RevokeKey(store::Connection& connection, const std::string& id, int64_t now_us);
// `fresh` takes over tenant, project and scopes of `old_id`, which ends at `old_ends_us`.
absl::Status RotateKey(store::Connection& connection, const std::string& old_id, Key fresh,
                       int64_t old_ends_us);
absl::StatusOr<std::vector<Key>> ListKeys(store::Connection& connection);

absl::StatusOr<int64_t> AccessVersion(store::Connection& connection);

}  // namespace waferline::accounts
