// Who may ask for what. The front ends find out what a caller sent and where it comes from; the
// decision is made here. Any thread.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/serving/server_deps.h"
#include "server/tenancy/api_keys.h"

namespace waferline::serving {

// The caller behind an authorization header ("Bearer KEY"; "" if there is none). Unauthenticated:
// missing or unknown. PermissionDenied: switched off. Failures are counted.
absl::StatusOr<tenancy::Caller> Authenticate(const ServerDeps& deps,
                                             std::string_view authorization);

// The same for a caller who wants to operate the server: its key must be an admin's; without keys
// it must be on this machine. Otherwise PermissionDenied.
absl::StatusOr<tenancy::Caller> AuthorizeAdmin(const ServerDeps& deps,
                                               std::string_view authorization,
                                               bool from_this_machine);

// For a caller who wants to know what was used: an administrator, or a key that may read the usage
// of its tenant.
absl::StatusOr<tenancy::Caller> AuthorizeUsage(const ServerDeps& deps,
                                               std::string_view authorization,
                                               bool from_this_machine);

// PermissionDenied if the caller's key is not for this model.
absl::Status AuthorizeModel(const tenancy::Caller& caller, std::string_view model);

}  // namespace waferline::serving
