#include "server/tenancy/budget.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/number_text.h"
#include "wafer_backend/base/strings.h"

namespace waferline::tenancy {
namespace {

constexpr Nanoseconds kDay = Seconds(24 * 3600);
constexpr Nanoseconds kMinute = Seconds(60);
constexpr int64_t kThousandths = 1000;

std::string InSeconds(Nanoseconds duration) {
  constexpr double kMicrosecond = 1e-3;  // in milliseconds: what sums of fractions are off by
  return NumberText(std::ceil(ToSeconds(duration) * 1000 - kMicrosecond) / 1000);
}

void Describe(Budgets::Headers& headers, const char* what, Bucket& bucket, Nanoseconds now) {
  const auto name = [&](const char* which) { return absl::StrCat("x-ratelimit-", which, what); };
  headers.emplace_back(name("limit-"), absl::StrCat(bucket.limit()));
  headers.emplace_back(name("remaining-"), absl::StrCat(bucket.Remaining(now)));
  headers.emplace_back(name("reset-"), InSeconds(bucket.UntilFull(now)));
}

OverBudget Refuse(const char* what, int64_t amount, const Bucket& bucket,
                  std::optional<Nanoseconds> wait) {
  std::string message = absl::StrCat("over the budget of ", bucket.limit(), " ", what);
  if (wait) {
    absl::StrAppend(&message, ": try again in ", InSeconds(*wait), " s");
  } else {
    absl::StrAppend(&message, ": this request alone may use ", amount,
                    "; shorten it or lower max_tokens");
  }
  return {absl::ResourceExhaustedError(message), wait.value_or(Nanoseconds(0))};
}

}  // namespace

void Bucket::Refill(Nanoseconds now) {
  if (now <= at_) return;
  const double gained = static_cast<double>(limit_) * (now - at_).as_double() / period_.as_double();
  level_ = std::min(static_cast<double>(limit_), level_ + gained);
  at_ = now;
}

int64_t Bucket::Remaining(Nanoseconds now) {
  Refill(now);
  return std::max<int64_t>(0, static_cast<int64_t>(std::floor(level_)));
}

std::optional<Nanoseconds> Bucket::WaitFor(int64_t amount, Nanoseconds now) {
  Refill(now);
  if (amount > limit_) return std::nullopt;
  const double missing = static_cast<double>(amount) - level_;
  if (missing <= 0) return Nanoseconds(0);
  return Nanoseconds(
      static_cast<int64_t>(std::ceil(missing / static_cast<double>(limit_) * period_.as_double())));
}

void Bucket::Take(int64_t amount, Nanoseconds now) {
  Refill(now);
  level_ -= static_cast<double>(amount);
}

void Bucket::GiveBack(int64_t amount, Nanoseconds now) {
  Refill(now);
  level_ = std::min(static_cast<double>(limit_), level_ + static_cast<double>(amount));
}

Nanoseconds Bucket::UntilFull(Nanoseconds now) {
  return WaitFor(limit_, now).value_or(Nanoseconds(0));
}

Budgets::Budgets(TenantLimits limits, LimitsByTenant per_tenant)
    : limits_(limits), per_tenant_(std::move(per_tenant)) {}

void Budgets::SetLimits(LimitsByTenant per_tenant, SharesByProject shares) {
  MutexLock lock(&mutex_);
  per_tenant_ = std::move(per_tenant);
  shares_ = std::move(shares);
}

void Budgets::SetOverSoftLimit(std::vector<std::string> tenants) {
  MutexLock lock(&mutex_);
  over_soft_limit_ = std::move(tenants);
}

void Budgets::Refresh(Account& account, const TenantLimits& limits, Nanoseconds now) {
  account.limits = limits;
  account.requests.reset();
  account.tokens.reset();
  if (limits.requests_day) account.requests.emplace(*limits.requests_day, kDay, now);
  if (limits.tokens_minute) account.tokens.emplace(*limits.tokens_minute, kMinute, now);
}

const TenantLimits& Budgets::LimitsOf(std::string_view tenant) const {
  const auto own = per_tenant_.find(tenant);
  return own != per_tenant_.end() ? own->second : limits_;
}

Budgets::Account& Budgets::AccountOf(std::string_view tenant, Nanoseconds now) {
  const TenantLimits& limits = LimitsOf(tenant);
  auto found = accounts_.find(tenant);
  if (found == accounts_.end()) {
    found = accounts_.emplace(std::string(tenant), Account()).first;
    Refresh(found->second, limits, now);
  }
  if (found->second.limits != limits) Refresh(found->second, limits, now);
  return found->second;
}

Budgets::Account* Budgets::ProjectAccountOf(Payer payer, Nanoseconds now) {
  if (payer.project.empty() || shares_.empty()) return nullptr;
  const std::pair<std::string, std::string> key(payer.tenant, payer.project);
  const auto share = shares_.find(key);
  if (share == shares_.end()) return nullptr;
  const auto part = [&](const std::optional<int64_t>& limit) {
    return limit ? std::optional(std::max<int64_t>(1, *limit * share->second / kThousandths))
                 : std::nullopt;
  };
  const TenantLimits& whole = LimitsOf(payer.tenant);
  const TenantLimits limits{part(whole.requests_day), part(whole.tokens_minute),
                            part(whole.concurrent)};
  const auto [found, added] = projects_.try_emplace(key);
  if (added || found->second.limits != limits) Refresh(found->second, limits, now);
  return &found->second;
}

std::optional<OverBudget> Budgets::Take(Account& account, int64_t tokens, Nanoseconds now) {
  if (account.limits.concurrent && account.in_flight >= *account.limits.concurrent) {
    return OverBudget{absl::ResourceExhaustedError(
                          absl::StrCat("over the limit of ", *account.limits.concurrent,
                                       " requests in flight: try again when one has ended")),
                      Seconds(1)};
  }
  if (account.requests) {
    const auto wait = account.requests->WaitFor(1, now);
    if (!wait || *wait > Nanoseconds(0)) {
      return Refuse("requests a day", 1, *account.requests, wait);
    }
  }
  if (account.tokens) {
    const auto wait = account.tokens->WaitFor(tokens, now);
    if (!wait || *wait > Nanoseconds(0)) {
      return Refuse("tokens a minute", tokens, *account.tokens, wait);
    }
    account.tokens->Take(tokens, now);
  }
  if (account.requests) account.requests->Take(1, now);
  ++account.in_flight;
  return std::nullopt;
}

std::optional<OverBudget> Budgets::Charge(Payer payer, int64_t tokens, Nanoseconds now) {
  MutexLock lock(&mutex_);
  Account& account = AccountOf(payer.tenant, now);
  if (auto over = Take(account, tokens, now)) return over;
  Account* const project = ProjectAccountOf(payer, now);
  if (project == nullptr) return std::nullopt;
  auto over = Take(*project, tokens, now);
  if (!over) return std::nullopt;
  --account.in_flight;
  if (account.tokens) account.tokens->GiveBack(tokens, now);
  if (account.requests) account.requests->GiveBack(1, now);
  over->status =
      absl::ResourceExhaustedError(absl::StrCat("the project's share: ", over->status.message()));
  return over;
}

void Budgets::Settle(Payer payer, Tokens tokens, Nanoseconds now) {
  MutexLock lock(&mutex_);
  for (Account* account : {&AccountOf(payer.tenant, now), ProjectAccountOf(payer, now)}) {
    if (account == nullptr) continue;
    account->in_flight = std::max<int64_t>(0, account->in_flight - 1);
    if (account->tokens) account->tokens->GiveBack(tokens.charged - tokens.used, now);
  }
}

Budgets::Headers Budgets::Describe(std::string_view tenant, Nanoseconds now) {
  MutexLock lock(&mutex_);
  Account& account = AccountOf(tenant, now);
  Headers headers;
  if (account.requests) tenancy::Describe(headers, "requests-day", *account.requests, now);
  if (account.tokens) tenancy::Describe(headers, "tokens-minute", *account.tokens, now);
  const auto over = std::find(over_soft_limit_.begin(), over_soft_limit_.end(), tenant);
  if (over != over_soft_limit_.end()) headers.emplace_back("x-waferline-spend", "over-soft-limit");
  return headers;
}

}  // namespace waferline::tenancy
