#include "server/serving/access.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/strings.h"

namespace waferline::serving {
namespace {

absl::StatusOr<tenancy::Caller> Counted(const ServerDeps& deps,
                                        absl::StatusOr<tenancy::Caller> caller) {
  if (!caller.ok()) deps.metrics->OnTurnedAway("key");
  return caller;
}

int64_t UnixMicroseconds(const ServerDeps& deps) { return deps.clock.unix_seconds() * 1'000'000; }

}  // namespace

absl::StatusOr<tenancy::Caller> Authenticate(const ServerDeps& deps,
                                             std::string_view authorization) {
  return Counted(deps, deps.keys->Authenticate(authorization, UnixMicroseconds(deps)));
}

bool SaysForwarded(std::string_view header) {
  return header.starts_with("x-forwarded-") || header == "forwarded" || header == "x-real-ip" ||
         header == "via";
}

absl::StatusOr<tenancy::Caller> AuthorizeAdmin(const ServerDeps& deps,
                                               std::string_view authorization,
                                               const Origin& origin) {
  if (origin.identity != nullptr && origin.identity->role == tls::Role::kOperator) {
    return tenancy::Caller{.admin = true};
  }
  absl::StatusOr<tenancy::Caller> caller =
      deps.keys->Authenticate(authorization, UnixMicroseconds(deps));
  if (!caller.ok()) return Counted(deps, std::move(caller));
  if (!deps.keys->required() && origin.identity != nullptr) {
    return Counted(deps, absl::PermissionDeniedError(absl::StrCat(
                             origin.identity->uri,
                             " may not operate the server: show an "
                             "operator's certificate, or configure a key with may_operate")));
  }
  if (!deps.keys->required() && !origin.this_machine) {
    return Counted(deps,
                   absl::PermissionDeniedError(
                       "without API keys the server is operated from its own machine only: "
                       "over loopback, as localhost or 127.0.0.1, not through a proxy; "
                       "configure a key with may_operate, or show an operator's certificate"));
  }
  if (!caller->admin) {
    return Counted(deps, absl::PermissionDeniedError("this API key may not operate the server"));
  }
  return caller;
}

absl::StatusOr<tenancy::Caller> AuthorizeUsage(const ServerDeps& deps,
                                               std::string_view authorization,
                                               const Origin& origin) {
  absl::StatusOr<tenancy::Caller> caller =
      deps.keys->Authenticate(authorization, UnixMicroseconds(deps));
  if (caller.ok() && caller->read_usage) return caller;
  if (caller.ok() && deps.keys->required() && !caller->admin) {
    return Counted(deps, absl::PermissionDeniedError("this API key may not read usage"));
  }
  return AuthorizeAdmin(deps, authorization, origin);
}

absl::Status AuthorizeModel(const tenancy::Caller& caller, std::string_view model) {
  if (caller.MayUse(model)) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat("this API key may not use the model '", Absl(model), "'"));
}

}  // namespace waferline::serving
