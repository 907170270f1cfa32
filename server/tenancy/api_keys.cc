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

std::string DigestHex(std::string_view key) { return absl::BytesToHexString(Absl(Sha256(key))); }

absl::Status ApiKeys::Add(const ApiKey& key, ByDigest* entries) {
  if (key.tenant.empty()) return absl::InvalidArgumentError("tenant: is missing");
  WL_ASSIGN_OR_RETURN(const std::string digest, DigestOf(key));
  const Entry entry{.caller = {.tenant = key.tenant,
                               .project = key.project,
                               .key_id = key.id,
                               .admin = key.admin,
                               .read_usage = key.read_usage,
                               .capped = key.capped,
                               .plan = key.plan,
                               .models = key.models},
                    .enabled = key.enabled,
                    .expires_us = key.expires_us};
  if (entries->emplace(digest, entry).second) return absl::OkStatus();
  return absl::InvalidArgumentError("key: is the same as another entry's");
}

absl::StatusOr<ApiKeys> ApiKeys::Create(const std::vector<ApiKey>& keys) {
  ApiKeys result;
  WL_RETURN_IF_ERROR(result.Replace(keys));
  return result;
}

absl::Status ApiKeys::Replace(const std::vector<ApiKey>& keys) {
  auto entries = std::make_shared<ByDigest>();
  for (size_t i = 0; i < keys.size(); ++i) {
    if (const absl::Status status = Add(keys[i], entries.get()); !status.ok()) {
      return absl::Status(status.code(), absl::StrCat("api_keys[", i, "].", status.message()));
    }
  }
  MutexLock lock(&shared_->mutex);
  shared_->entries = std::move(entries);
  return absl::OkStatus();
}

std::shared_ptr<const ApiKeys::ByDigest> ApiKeys::Entries() const {
  MutexLock lock(&shared_->mutex);
  return shared_->entries;
}

absl::StatusOr<Caller> ApiKeys::Authenticate(std::string_view authorization,
                                             int64_t unix_us) const {
  const std::shared_ptr<const ByDigest> entries = Entries();
  if (entries->empty()) return Caller{.admin = true};
  const std::string_view token = TokenOf(authorization);
  if (token.empty()) {
    return absl::UnauthenticatedError(
        "an API key is required: send the header 'Authorization: Bearer KEY'");
  }
  const auto found = entries->find(Sha256(token));
  if (found == entries->end()) return absl::UnauthenticatedError("unknown API key");
  const Entry& entry = found->second;
  if (!entry.enabled) return absl::PermissionDeniedError("this API key is disabled");
  if (entry.expires_us != 0 && unix_us >= entry.expires_us) {
    return absl::UnauthenticatedError("this API key has expired");
  }
  return entry.caller;
}

absl::StatusOr<Caller> ApiKeys::CallerOf(std::string_view tenant, std::string_view key_id,
                                         int64_t unix_us) const {
  const std::shared_ptr<const ByDigest> entries = Entries();
  if (entries->empty() && tenant.empty()) return Caller{.admin = true};
  for (const auto& [digest, entry] : *entries) {
    const bool expired = entry.expires_us != 0 && unix_us >= entry.expires_us;
    if (entry.caller.tenant == tenant && entry.caller.key_id == key_id && entry.enabled &&
        !expired) {
      return entry.caller;
    }
  }
  return absl::PermissionDeniedError("the API key that asked for this is no longer valid");
}

}  // namespace waferline::tenancy
