// Authentication: which tenant an API key belongs to, and what its caller may do. Any thread;
// copies share their keys, which Replace changes for all of them at once. Bounds: the keys of the
// configuration and of the database.
//
// Keys are compared by their SHA-256, so the time of a comparison does not depend on the key, and a
// configuration may hold digests instead of keys.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wafer_backend/base/mutex.h"

namespace waferline::tenancy {

struct ApiKey {
  std::string key;  // as clients send it, or "sha256:" and 64 hex digits
  std::string tenant;
  bool enabled = true;
  bool admin = false;               // may use /admin/ and OperatorService
  std::vector<std::string> models;  // may use these; empty: all
  std::string id;                   // for usage records; "": none
  std::string project;
  bool read_usage = false;  // may ask what its tenant used
  bool capped = false;      // as Caller::capped
  std::string plan;         // as Caller::plan
  int64_t expires_us = 0;   // Unix time; 0: never
};

// An authenticated caller. A value.
struct Caller {
  std::string tenant;   // "" when keys are off
  std::string project;  // "": none
  std::string key_id;   // names the key, says nothing of it
  bool admin = false;
  bool read_usage = false;
  bool capped = false;              // its tenant has a hard monthly spend or a prepaid balance
  std::string plan;                 // how its tenant pays; "": as it goes
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

  bool required() const { return !Entries()->empty(); }

  // From now on these are the keys. The errors of Create, and then nothing changes.
  absl::Status Replace(const std::vector<ApiKey>& keys);

  // `authorization` is the header's value ("Bearer KEY"), `unix_us` the time. Unauthenticated: the
  // key is missing, unknown or expired. PermissionDenied: it is disabled.
  absl::StatusOr<Caller> Authenticate(std::string_view authorization, int64_t unix_us = 0) const;

  // For work that goes on without its client: what a key of this tenant and id may do now ("" as
  // the id: any key of the tenant that has none). PermissionDenied: it may nothing any more.
  absl::StatusOr<Caller> CallerOf(std::string_view tenant, std::string_view key_id,
                                  int64_t unix_us) const;

 private:
  struct Entry {
    Caller caller;
    bool enabled;
    int64_t expires_us;
  };
  using ByDigest = std::unordered_map<std::string, Entry>;  // of 32 raw bytes
  struct Shared {
    Mutex mutex;
    std::shared_ptr<const ByDigest> entries ABSL_GUARDED_BY(mutex) =
        std::make_shared<const ByDigest>();
  };
  static absl::Status Add(const ApiKey& key, ByDigest* entries);
  std::shared_ptr<const ByDigest> Entries() const;

  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

// SHA-256, as 64 hex digits: how a database keeps a key.
std::string DigestHex(std::string_view key);

}  // namespace waferline::tenancy
