// What one answer used: the record that bills, exports and reports are made from. A plain value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/billing/price_book.h"

namespace waferline::billing {

// How the answer ended, which decides whether it is charged: what was generated until the client
// left, a deadline or a stop is; what failed on our side, or was cut off with the server, is not.
enum class UsageEnd : uint8_t { kFinished, kCancelled, kDeadline, kFailed, kInterrupted };
std::string_view Name(UsageEnd end);
absl::StatusOr<UsageEnd> UsageEndNamed(std::string_view name);
constexpr bool IsCharged(UsageEnd end) {
  return end != UsageEnd::kFailed && end != UsageEnd::kInterrupted;
}

// The tenant of a server without keys, where its name must not be empty.
inline constexpr std::string_view kNoTenant = "no-tenant";
inline std::string NameOfTenant(const std::string& tenant) {
  return tenant.empty() ? std::string(kNoTenant) : tenant;
}

struct UsageRecord {
  std::string id;  // "epoch.ordinal.choice": never used again, the only identity
  std::string tenant;
  std::string plan;     // the tenant's, of the price book; "": tokens, pay as you go
  std::string project;  // "" without
  std::string key;      // the API key's public prefix; "" without keys
  std::string model;
  Tier asked = Tier::kDefault;
  Tier served = Tier::kDefault;
  UsageEnd end = UsageEnd::kFinished;
  int64_t admitted_us = 0;  // calendar.h; decides which prices hold
  int64_t ended_us = 0;     // decides which month is billed
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;  // of the prompt
  int64_t generated_tokens = 0;
  // Emulated: devices x time, and energy. A plan that bills compute time bills the wafer systems';
  // the accelerators of prefill are in their price.
  int64_t system_ns = 0;
  int64_t accelerator_ns = 0;
  int64_t microjoules = 0;

  bool operator==(const UsageRecord&) const = default;
};

}  // namespace waferline::billing
