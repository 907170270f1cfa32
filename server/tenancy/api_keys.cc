#include "server/tenancy/api_keys.h"

#include <openssl/sha.h>

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::tenancy {
namespace {

constexpr std::string_view kDigestPrefix = "sha256:";
constexpr std::string_view kBearer = "bearer ";

std::string Sha256(std::string_view text) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

absl::StatusOr<std::string> DigestOf(const ApiKey& key) {
  if (key.key.empty()) return absl::InvalidArgumentError("key: is missing");
  if (!key.key.starts_with(kDigestPrefix)) return Sha256(key.key);
  const std::string hex = key.key.substr(kDigestPrefix.size());
  const bool valid =
      hex.size() == 64 && hex.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
  if (!valid) return absl::InvalidArgumentError("key: 'sha256:' must be followed by 64 hex digits");
  return absl::HexStringToBytes(hex);
}

std::string_view TokenOf(std::string_view authorization) {
  if (authorization.size() < kBearer.size()) return "";
  for (size_t i = 0; i < kBearer.size(); ++i) {
    const char c = authorization[i];
    if ((c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) != kBearer[i]) return "";
  }
  return authorization.substr(kBearer.size());
}

}  // namespace

bool Caller::MayUse(std::string_view model) const {
  return models.empty() || std::find(models.begin(), models.end(), model) != models.end();
}

absl::Status ApiKeys::Add(const ApiKey& key) {
  if (key.tenant.empty()) return absl::InvalidArgumentError("tenant: is missing");
  WL_ASSIGN_OR_RETURN(const std::string digest, DigestOf(key));
  const Entry entry{{.tenant = key.tenant, .admin = key.admin, .models = key.models}, key.enabled};
  if (by_digest_.emplace(digest, entry).second) return absl::OkStatus();
  return absl::InvalidArgumentError("key: is the same as another entry's");
}

absl::StatusOr<ApiKeys> ApiKeys::Create(const std::vector<ApiKey>& keys) {
  ApiKeys result;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (const absl::Status status = result.Add(keys[i]); !status.ok()) {
      return absl::Status(status.code(), absl::StrCat("api_keys[", i, "].", status.message()));
    }
  }
  return result;
}

absl::StatusOr<Caller> ApiKeys::Authenticate(std::string_view authorization) const {
  if (!required()) return Caller{.admin = true};
  const std::string_view token = TokenOf(authorization);
  if (token.empty()) {
    return absl::UnauthenticatedError(
        "an API key is required: send the header 'Authorization: Bearer KEY'");
  }
  const auto found = by_digest_.find(Sha256(token));
  if (found == by_digest_.end()) return absl::UnauthenticatedError("unknown API key");
  if (!found->second.enabled) {
    return absl::PermissionDeniedError("this API key is disabled");
  }
  return found->second.caller;
}

}  // namespace waferline::tenancy
