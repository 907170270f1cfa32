// What tokens and compute time cost, and since when. Plain values, any thread; read from YAML by
// price_book_reader.h, which has checked that every price is a whole number of picodollars.
//
// A version is in force from its instant until the next one's; usage is priced by the version in
// force when its request was admitted, and never again.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/contracts/contract.h"
#include "server/money/money.h"
#include "server/money/unit_price.h"
#include "wafer_backend/base/calendar.h"

namespace waferline::billing {

// The tier that served a request, which may be another than it asked for.
enum class Tier : uint8_t { kDefault, kFlex, kPriority, kBatch };
inline constexpr int kTiers = 4;
std::string_view Name(Tier tier);
// InvalidArgument lists the names.
absl::StatusOr<Tier> TierNamed(std::string_view name);

// Picodollars a token.
struct TokenPrices {
  UnitPrice input;
  UnitPrice cached_input;
  UnitPrice output;
  bool operator==(const TokenPrices&) const = default;
};

// Prices of one model, with every multiplier applied.
struct ModelPrices {
  std::string model;   // "*": all models without prices of their own
  std::string source;  // where the prices come from; "" if the file does not say
  bool has_tokens = false;
  // Prompts of more tokens have long prices, for the whole request.
  std::optional<int64_t> long_above;
  std::array<std::array<TokenPrices, 2>, kTiers> tokens;  // by tier; [1]: long prompts
  std::optional<UnitPrice> system_second;
  bool operator==(const ModelPrices&) const = default;

  const TokenPrices& TokensFor(Tier tier, int64_t prompt_tokens) const {
    const bool is_long = long_above.has_value() && prompt_tokens > *long_above;
    return tokens[static_cast<size_t>(tier)][is_long ? 1 : 0];
  }
};

enum class Billed : uint8_t { kTokens, kComputeTime };

// So many tokens a minute of one model for a fee a minute, used or not. Batch and flex never count
// as covered.
struct Reservation {
  std::string model;
  int64_t tokens_per_minute = 0;
  UnitPrice per_minute;
  bool operator==(const Reservation&) const = default;
};

// Spending of a month up to `up_to` (the last step: without end) beyond the step before is reduced
// by this share.
struct VolumeStep {
  std::optional<Money> up_to;
  Multiplier off;
  bool operator==(const VolumeStep&) const = default;
};

// The least that a month's system time is billed at: what a contract commits to, used or not.
struct Commitment {
  Month month;
  Money minimum;
  bool operator==(const Commitment&) const = default;
};

// How a tenant pays.
struct Plan {
  std::string name;
  Billed billed = Billed::kTokens;
  bool prepaid = false;  // from a balance, not by invoice at the month's end
  std::vector<Reservation> reserved;
  std::vector<VolumeStep> volume;
  std::vector<Commitment> committed;          // by month; of plans that bill compute time
  std::optional<contracts::Service> service;  // what a month with failed requests takes back
  bool operator==(const Plan&) const = default;
};

struct PriceVersion {
  int64_t effective_us = 0;
  std::vector<ModelPrices> models;
  std::vector<Plan> plans;
  bool operator==(const PriceVersion&) const = default;

  // The model's own token prices, else those of "*". NotFound: neither has any; lists the names.
  absl::StatusOr<const ModelPrices*> TokensOf(std::string_view model) const;
  // Its price of a system-second, else that of "*".
  absl::StatusOr<UnitPrice> SystemSecondOf(std::string_view model) const;
  // "" is a plan too: tokens, pay as you go. NotFound lists the names.
  absl::StatusOr<const Plan*> PlanNamed(std::string_view name) const;
};

struct PriceBook {
  std::string name;                    // of its file, for messages
  std::string text;                    // as it was read
  std::vector<PriceVersion> versions;  // by instant, at least one

  // FailedPrecondition: nothing was in force then.
  absl::StatusOr<const PriceVersion*> At(int64_t instant_us) const;
};

// FailedPrecondition naming the version: usage up to `until_us` costs something else by `now` than
// by `before`. Prices change by a further version, never for what was used already.
absl::Status CheckNotRepriced(const PriceBook& before, const PriceBook& now, int64_t until_us);

}  // namespace waferline::billing
