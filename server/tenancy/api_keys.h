// Who may ask, and for whom: API keys to tenants. Immutable after construction: any thread.
//
// Keys are compared by their SHA-256, so that the time of a comparison says nothing about a key,
// and a configuration may hold digests instead of keys.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"

namespace waferline::tenancy {

struct ApiKey {
  std::string key;  // as clients send it, or "sha256:" and 64 hex digits
  std::string tenant;
  bool enabled = true;
  bool admin = false;               // may use /admin/ and OperatorService
  std::vector<std::string> models;  // may use these; empty: all
};

// What a caller may do. A plain value.
struct Caller {
  std::string tenant;  // "" when keys are off
  bool admin = false;
  std::vector<std::string> models;  // empty: all
  bool MayUse(std::string_view model) const;
};

class ApiKeys {
 public:
  // No keys: everybody is the caller "", and may do everything.
  ApiKeys() = default;
  // InvalidArgument: a digest that is none, an empty tenant, the same key twice.
  static absl::StatusOr<ApiKeys> Create(const std::vector<ApiKey>& keys);

  bool required() const { return !by_digest_.empty(); }

  // `authorization` is the header's value ("Bearer KEY"). Unauthenticated: missing or unknown.
  // PermissionDenied: known and disabled.
  absl::StatusOr<Caller> Check(std::string_view authorization) const;

 private:
  struct Entry {
    Caller caller;
    bool enabled;
  };
  std::unordered_map<std::string, Entry> by_digest_;  // of 32 raw bytes
};

}  // namespace waferline::tenancy
