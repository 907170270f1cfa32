#include "wafer_backend/base/tls/identity.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "wafer_backend/base/strings.h"

namespace waferline::tls {
namespace {

constexpr size_t kMaxIdBytes = 2048;
constexpr std::string_view kScheme = "spiffe://";

bool IsLower(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

bool IsSegmentLetter(char c) { return IsLower(c) || (c >= 'A' && c <= 'Z'); }

absl::Status Wrong(std::string_view uri, std::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("'", Absl(uri.substr(0, 200)), "' is not an identity of Waferline: ", Absl(why),
                   "; write spiffe://DOMAIN/cloud/CLOUD[/cell/CELL]/ and one of frontend, "
                   "worker/NAME, client/NAME, operator"));
}

}  // namespace

std::string_view Name(Role role) {
  switch (role) {
    case Role::kFrontend:
      return "frontend";
    case Role::kWorker:
      return "worker";
    case Role::kOperator:
      return "operator";
    case Role::kClient:
      break;
  }
  return "client";
}

bool IsTrustDomain(std::string_view text) {
  return !text.empty() && text.size() <= 255 && std::all_of(text.begin(), text.end(), IsLower);
}

bool IsPathSegment(std::string_view text) {
  return !text.empty() && text != "." && text != ".." &&
         std::all_of(text.begin(), text.end(), IsSegmentLetter);
}

std::string UriOf(const Identity& identity) {
  const bool named = identity.role == Role::kWorker || identity.role == Role::kClient;
  return absl::StrCat(Absl(kScheme), identity.trust_domain, "/cloud/", identity.cloud,
                      identity.cell.empty() ? "" : "/cell/", identity.cell, "/",
                      Absl(Name(identity.role)), named ? "/" : "", named ? identity.name : "");
}

absl::StatusOr<Identity> ParseIdentity(std::string_view uri) {
  if (uri.size() > kMaxIdBytes) return Wrong(uri, "it has more than 2048 bytes");
  if (!uri.starts_with(kScheme)) return Wrong(uri, "it does not begin with spiffe://");
  const std::vector<std::string> parts = absl::StrSplit(Absl(uri.substr(kScheme.size())), '/');
  if (!IsTrustDomain(parts[0])) return Wrong(uri, "its trust domain is not valid");
  if (!std::all_of(parts.begin() + 1, parts.end(), IsPathSegment)) {
    return Wrong(
        uri, "its path has a part that is empty or has other characters than A-Z a-z 0-9 . _ -");
  }
  Identity out{.uri = std::string(uri), .trust_domain = parts[0]};
  size_t at = 1;
  const auto take = [&](std::string_view key, std::string* value) {
    if (at + 1 >= parts.size() || parts[at] != key) return false;
    *value = parts[at + 1];
    at += 2;
    return true;
  };
  if (!take("cloud", &out.cloud)) return Wrong(uri, "it names no cloud");
  take("cell", &out.cell);
  if (at >= parts.size()) return Wrong(uri, "it names no role");
  for (const Role role : {Role::kFrontend, Role::kWorker, Role::kOperator, Role::kClient}) {
    if (parts[at] != Name(role)) continue;
    const bool named = role == Role::kWorker || role == Role::kClient;
    if (parts.size() != at + (named ? 2 : 1)) break;
    out.role = role;
    if (named) out.name = parts[at + 1];
    return out;
  }
  return Wrong(uri, "its role is not known");
}

}  // namespace waferline::tls
