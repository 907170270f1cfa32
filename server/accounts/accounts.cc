#include "server/accounts/accounts.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/accounts/names.h"
#include "server/accounts/price_books.h"
#include "server/accounts/quota_rules.h"
#include "server/billing/prepaid.h"
#include "server/metering/usage_tables.h"
#include "wafer_backend/base/field_error.h"
#include "wafer_backend/base/name_table.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::accounts {
namespace {

using store::Connection;

constexpr size_t kSecretBytes = 32;
constexpr size_t kPrefixBytes = 8;  // of a key's text: what people tell keys apart by

// 0-9, A-Z, a-z: big-endian digits of a number of 32 bytes.
std::string Base62(std::string bytes) {
  constexpr char kDigits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  std::string text;
  for (int i = 0; i < 43; ++i) {  // 62^43 > 2^256
    unsigned rest = 0;
    for (char& byte : bytes) {
      const unsigned value = rest * 256 + static_cast<unsigned char>(byte);
      byte = static_cast<char>(value / 62);
      rest = value % 62;
    }
    text.insert(text.begin(), kDigits[rest]);
  }
  return text;
}

tenancy::ApiKey ApiKeyOf(const Key& key) {
  return {.key = absl::StrCat("sha256:", key.digest),
          .tenant = key.tenant,
          .admin = key.admin,
          .models = key.models,
          .id = key.id,
          .project = key.project,
          .read_usage = key.read_usage,
          .expires_us = key.expires_us};
}

std::string DigestOf(const tenancy::ApiKey& key) {
  constexpr std::string_view kGiven = "sha256:";
  return key.key.starts_with(kGiven) ? key.key.substr(kGiven.size()) : tenancy::DigestHex(key.key);
}

std::string FileKeyId(const tenancy::ApiKey& key) { return "file_" + DigestOf(key).substr(0, 12); }

}  // namespace

absl::Status NoDatabase() {
  return absl::FailedPreconditionError(
      "this server has no database: start waferd with --state-dir DIR, or configure "
      "'billing: {store: ...}'");
}

absl::Status Accounts::Busy() {
  return absl::UnavailableError("too many queries wait for the database; try again later");
}

Accounts::Accounts(Options options) : options_(std::move(options)) {}

absl::Status Accounts::Start() {
  if (options_.store == nullptr) return absl::OkStatus();
  WL_RETURN_IF_ERROR(Import());
  reader_ = std::make_unique<store::Reader>(
      options_.store, kPollPeriod,
      [this](Connection& connection) { (void)Load(connection, false); });
  reader_->Start();
  return absl::OkStatus();
}

void Accounts::Stop() {
  if (reader_ != nullptr) reader_->Stop();
}

// The configuration decides about its keys; the tables list them, so that usage can name them.
absl::Status Accounts::Import() {
  WL_ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection, options_.store->Connect());
  WL_RETURN_IF_ERROR(connection->Begin());
  absl::Status status;
  const int64_t now_us = options_.unix_us();
  for (const tenancy::ApiKey& key : options_.file_keys) {
    if (!status.ok()) break;
    status = ImportKey(*connection, {.id = FileKeyId(key),
                                     .digest = DigestOf(key),
                                     .tenant = key.tenant,
                                     .admin = key.admin,
                                     .from_file = true,
                                     .created_us = now_us});
  }
  if (status.ok()) status = connection->Commit();
  if (!status.ok()) connection->Rollback();
  WL_RETURN_IF_ERROR(status);
  return Load(*connection, true);
}

absl::Status Accounts::Load(Connection& connection, bool force) {
  const int64_t month = metering::PeriodOf(options_.unix_us());
  WL_ASSIGN_OR_RETURN(std::vector<std::string> over, OverSoftLimit(connection, month));
  options_.budgets->SetOverSoftLimit(std::move(over));
  // Read first: what changes meanwhile is loaded again.
  WL_ASSIGN_OR_RETURN(const int64_t version, AccessVersion(connection));
  if (version == loaded_version_ && !force) return absl::OkStatus();
  WL_ASSIGN_OR_RETURN(const std::vector<Tenant> tenants, accounts::ListTenants(connection));
  WL_ASSIGN_OR_RETURN(const std::vector<Key> keys, accounts::ListKeys(connection));
  WL_ASSIGN_OR_RETURN(const std::vector<Quota> quotas, accounts::ListQuotas(connection));
  tenancy::LimitsByTenant limits = options_.file_limits;
  tenancy::SharesByProject shares;
  std::map<std::string, bool> capped, disabled;
  std::map<std::string, std::string> plans;
  for (const Quota& quota : quotas) {
    limits[quota.tenant] = {quota.requests_day, quota.tokens_minute, quota.concurrent};
    for (const auto& [project, share] : quota.shares) shares[{quota.tenant, project}] = share;
    capped[quota.tenant] = quota.hard_micro.has_value();
  }
  for (const Tenant& tenant : tenants) {
    disabled[tenant.name] = tenant.disabled_us != 0;
    plans[tenant.name] = tenant.plan;
    if (billing::IsPrepaid(options_.prices, tenant.plan, options_.unix_us()))
      capped[tenant.name] = true;
  }
  std::vector<tenancy::ApiKey> all = options_.file_keys;
  for (tenancy::ApiKey& key : all) key.id = FileKeyId(key);
  for (const Key& key : keys) {
    if (!key.from_file && key.revoked_us == 0) all.push_back(ApiKeyOf(key));
  }
  for (tenancy::ApiKey& key : all) {
    key.capped = capped[key.tenant];
    key.plan = plans[key.tenant];
    key.enabled = key.enabled && !disabled[key.tenant];
  }
  WL_RETURN_IF_ERROR(options_.keys->Replace(all));
  options_.budgets->SetLimits(std::move(limits), std::move(shares));
  loaded_version_ = version;
  return absl::OkStatus();
}

void Accounts::AddTenant(const std::string& name, const std::optional<std::string>& plan,
                         Done<std::string> done) {
  if (const absl::Status bad = CheckName("name", name, false); !bad.ok()) return done(bad);
  if (options_.store == nullptr) return done(NoDatabase());
  const int64_t now_us = options_.unix_us();
  if (plan && !plan->empty()) {
    if (options_.prices == nullptr) {
      return done(FieldError("plan",
                             "there are no plans without prices: configure 'billing: "
                             "{prices: FILE}'"));
    }
    const absl::Status known = CheckPlan(*options_.prices, *plan, now_us);
    if (!known.ok()) return done(WithField(absl::InvalidArgumentError(known.message()), "plan"));
  }
  Write<std::string>(
      [name, plan, now_us](Connection& connection) -> absl::StatusOr<std::string> {
        const bool found = NeedTenant(connection, name).ok();
        WL_RETURN_IF_ERROR(accounts::AddTenant(connection, {name, plan, now_us}));
        return std::string(found ? "found" : "added");
      },
      std::move(done));
}

void Accounts::DisableTenant(const std::string& name, Done<std::string> done) {
  const int64_t now_us = options_.unix_us();
  Write<std::string>(
      [name, now_us](Connection& connection) {
        return accounts::DisableTenant(connection, name, now_us);
      },
      name, std::move(done));
}

void Accounts::ListTenants(Done<std::vector<Tenant>> done) {
  Ask<std::vector<Tenant>>(accounts::ListTenants, std::move(done));
}

NewKey Accounts::MakeKey(const Key& wanted) const {
  NewKey made{.secret = "wl-" + Base62(options_.random_bytes(kSecretBytes)), .key = wanted};
  made.key.id = "key_" + absl::BytesToHexString(options_.random_bytes(8));
  made.key.digest = tenancy::DigestHex(made.secret);
  made.key.prefix = made.secret.substr(0, kPrefixBytes);
  made.key.created_us = options_.unix_us();
  return made;
}

void Accounts::CreateKey(const Key& wanted, Done<NewKey> done) {
  for (const auto& [field, name] :
       {std::pair{"tenant", wanted.tenant}, {"project", wanted.project}}) {
    const absl::Status bad = CheckName(field, name, field == std::string_view("project"));
    if (!bad.ok()) return done(bad);
  }
  for (const std::string& model : wanted.models) {
    const bool served =
        std::find(options_.models.begin(), options_.models.end(), model) != options_.models.end();
    if (!served) {
      const std::vector<std::string_view> names(options_.models.begin(), options_.models.end());
      return done(FieldError("models", NotOneOf(model, names)));
    }
  }
  if (!wanted.name.empty()) {
    if (const absl::Status bad = CheckTitle(wanted.name); !bad.ok()) return done(bad);
  }
  if (wanted.expires_us != 0 && wanted.expires_us <= options_.unix_us()) {
    return done(FieldError("expires_at", "is in the past"));
  }
  if (options_.store != nullptr && !options_.keys->required() && !wanted.admin) {
    return done(FieldError("admin",
                           "must be true for the first key: without an administrator's key "
                           "no one could operate this server afterwards"));
  }
  NewKey made = MakeKey(wanted);
  Write<Key>([key = made.key](Connection& connection) { return AddKey(connection, key); },
             [secret = made.secret, done = std::move(done)](absl::StatusOr<Key> key) {
               if (!key.ok()) return done(key.status());
               done(NewKey{secret, *std::move(key)});
             });
}

void Accounts::RotateKey(const std::string& id, Nanoseconds overlap, Done<NewKey> done) {
  NewKey made = MakeKey({});
  const int64_t ends_us = made.key.created_us + overlap.count() / 1000;
  Write<NewKey>(
      [id, ends_us, key = made.key](Connection& connection) {
        return accounts::RotateKey(connection, id, key, ends_us);
      },
      made, std::move(done));
}

void Accounts::RevokeKey(const std::string& id, Done<std::string> done) {
  const int64_t now_us = options_.unix_us();
  Write<std::string>(
      [id, now_us](Connection& connection) { return accounts::RevokeKey(connection, id, now_us); },
      id, std::move(done));
}

void Accounts::ListKeys(Done<std::vector<Key>> done) {
  Ask<std::vector<Key>>(accounts::ListKeys, std::move(done));
}

void Accounts::ChangeQuota(const QuotaChange& change, Done<Quota> done) {
  if (options_.store != nullptr && options_.prices == nullptr) {
    if (const absl::Status free = CheckNeedsNoPrices(change); !free.ok()) return done(free);
  }
  const int64_t now_us = options_.unix_us ? options_.unix_us() : 0;
  Write<Quota>(
      [change, now_us, prices = options_.prices](Connection& connection) -> absl::StatusOr<Quota> {
        WL_ASSIGN_OR_RETURN(const Quota quota, ChangedQuota(connection, change));
        WL_RETURN_IF_ERROR(CheckQuota(quota));
        WL_RETURN_IF_ERROR(CheckPaysInAdvance(connection, change, prices, now_us));
        return SetQuota(connection, quota, now_us);
      },
      std::move(done));
}

void Accounts::ListQuotas(Done<std::vector<Quota>> done) {
  Ask<std::vector<Quota>>(accounts::ListQuotas, std::move(done));
}

void Accounts::Usage(const UsageQuery& query, Done<UsageReport> done) {
  const int64_t now_us = options_.unix_us ? options_.unix_us() : 0;
  Ask<UsageReport>(
      [query, now_us, prices = options_.prices](Connection& connection) {
        return ReportUsage(connection, query, prices, now_us);
      },
      std::move(done));
}

}  // namespace waferline::accounts
