// Who may ask for what. The front ends find out what a caller sent and where it comes from; the
// decision is made here. Any thread.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/serving/server_deps.h"
#include "server/tenancy/api_keys.h"
#include "wafer_backend/base/tls/identity.h"

namespace waferline::serving {

// The caller behind an authorization header ("Bearer KEY"; "" if there is none). Unauthenticated:
// missing or unknown. PermissionDenied: switched off. Failures are counted.
absl::StatusOr<tenancy::Caller> Authenticate(const ServerDeps& deps,
                                             std::string_view authorization);

// Where a caller is, and who its certificate says it is (null: it has shown none).
struct Origin {
  bool this_machine = false;
  std::shared_ptr<const tls::Identity> identity;
};

// Whether a header of this name, in small letters, says that a proxy asks for someone else.
bool SaysForwarded(std::string_view header);

// As Authenticate, for a caller who wants to operate the server: its certificate must be an
// operator's, or its key an admin's; without keys it must be on this machine and show no
// certificate of another role. Otherwise PermissionDenied.
absl::StatusOr<tenancy::Caller> AuthorizeAdmin(const ServerDeps& deps,
                                               std::string_view authorization,
                                               const Origin& origin);

// For a caller who wants to know what was used: an administrator, or a key that may read the usage
// of its tenant.
absl::StatusOr<tenancy::Caller> AuthorizeUsage(const ServerDeps& deps,
                                               std::string_view authorization,
                                               const Origin& origin);

// PermissionDenied if the caller's key is not for this model.
absl::Status AuthorizeModel(const tenancy::Caller& caller, std::string_view model);

}  // namespace waferline::serving
