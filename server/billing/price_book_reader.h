// Reads a price book:
//
//   currency: USD
//   versions:
//     - effective: 2026-06-01T00:00:00Z
//       models:
//         - name: llama-3.1-8b
//           input: "0.10"            # $ a million tokens
//           cached_input: "0.05"     # as input if not given
//           output: "0.10"
//           tiers: {flex: "0.5", priority: "2", batch: "0.5"}   # multipliers; 1 if not given
//           long_prompt: {above: 131072, input: "2", output: "1.5"}   # for the whole request
//         - {name: "*", system_second: "0.0117"}                # $ a system-second
//       plans:
//         - {name: developer, prepaid: true}
//         - {name: capacity, bill: compute_time, contract: openai-750mw}   # deploy/contracts
//         - {name: web, service: {availability: 0.999, cap_share: 0.15}}       # else a credit
//         - name: reserved
//           reserved: [{model: llama-3.1-8b, tokens_per_minute: 100000, per_minute: "0.01"}]
//           volume: [{up_to: "1000", off: "0"}, {off: "0.10"}]  # shares of the list price
//
// Numbers are decimal text, quoted or not. The multipliers of a long prompt's input hold for its
// cached part too. Pure functions, any thread.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/billing/price_book.h"

namespace waferline {
class YamlForm;
}

namespace waferline::billing {

inline constexpr size_t kMaxVersions = 1000;
inline constexpr size_t kMaxModels = 1000;  // a version
inline constexpr size_t kMaxPlans = 200;    // a version
inline constexpr size_t kMaxSteps = 50;     // of a volume, or reservations of a plan

// InvalidArgument: all faults of the file, each with its line and field: prices that are not whole
// picodollar, versions that overlap, names given twice, unknown fields.
absl::StatusOr<PriceBook> ParsePriceBook(const std::string& name, std::string_view text);
// A name of deploy/prices, or a path.
absl::StatusOr<PriceBook> LoadPriceBook(const std::string& name_or_path);

// One entry of `plans`; for ParsePriceBook.
Plan ReadPlan(YamlForm& form);

}  // namespace waferline::billing
