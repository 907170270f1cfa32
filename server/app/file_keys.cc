#include "server/app/file_keys.h"

namespace waferline::app {

std::vector<tenancy::ApiKey> FileKeys(const config::ServerConfig& config) {
  std::vector<tenancy::ApiKey> keys;
  for (const config::ApiKeyConfig& key : config.api_keys) {
    keys.push_back({.key = key.key, .tenant = key.tenant, .admin = key.admin});
  }
  return keys;
}

tenancy::LimitsByTenant FileLimits(const config::ServerConfig& config) {
  tenancy::LimitsByTenant limits;
  for (const config::ApiKeyConfig& key : config.api_keys) {
    tenancy::TenantLimits& tenant = limits[key.tenant];
    if (key.requests_per_day > 0) tenant.requests_day = key.requests_per_day;
    if (key.tokens_per_minute > 0) tenant.tokens_minute = key.tokens_per_minute;
  }
  return limits;
}

}  // namespace waferline::app
