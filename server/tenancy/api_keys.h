// Authentication: which tenant an API key belongs to, and what its caller may do. A value,
// immutable after Create: any thread. Bounds: the keys of the configuration.
//
// Keys are compared by their SHA-256, so the time of a comparison does not depend on the key, and a
// configuration may hold digests instead of keys.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace waferline::tenancy {

struct ApiKey {
  std::string key;  // as clients send it, or "sha256:" and 64 hex digits
  std::string tenant;
  bool enabled = true;
  bool admin = false;               // may use /admin/ and OperatorService
  std::vector<std::string> models;  // may use these; empty: all
};

// An authenticated caller. A value.
struct Caller {
  std::string tenant;   // "" when keys are off
  std::string project;  // "": none
  std::string key_id;   // names the key, says nothing of it
  bool admin = false;
  bool capped = false;              // its tenant has a hard monthly spend or a prepaid balance
  std::vector<std::string> models;  // empty: all

  bool MayUse(std::string_view model) const;
};

class ApiKeys {
 public:
  // No keys: every caller is the tenant "" and may do everything.
  ApiKeys() = default;
  // InvalidArgument names the entry and its field: an empty key or tenant, a malformed digest, the
  // same key twice.
  static absl::StatusOr<ApiKeys> Create(const std::vector<ApiKey>& keys);

  bool required() const { return !by_digest_.empty(); }

  // `authorization` is the header's value ("Bearer KEY"). Unauthenticated: the key is missing or
  // unknown. PermissionDenied: it is disabled.
  absl::StatusOr<Caller> Authenticate(std::string_view authorization) const;

 private:
  struct Entry {
    Caller caller;
    bool enabled;
  };
  absl::Status Add(const ApiKey& key);

  std::unordered_map<std::string, Entry> by_digest_;  // of 32 raw bytes
};

}  // namespace waferline::tenancy
