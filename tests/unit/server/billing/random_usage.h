// Random usage records of a few tenants, for laws over many of them.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/billing/price_book_reader.h"
#include "server/billing/usage_record.h"
#include "wafer_backend/base/calendar.h"
#include "wafer_backend/base/seeded_stream.h"

namespace waferline::billing {

inline constexpr std::string_view kMixedBook = R"(
currency: USD
versions:
  - effective: 2026-01-01
    models:
      - {name: large, input: "2.50", cached_input: "0.25", output: "15", tiers: {priority: 2, flex: "0.5", batch: "0.5"},
         long_prompt: {above: 5000, input: 2, output: "1.5"}, system_second: "0.013"}
      - {name: small, input: "0.35", cached_input: "0.035", output: "0.75", system_second: "0.01166"}
    plans: &plans
      - {name: prepaid, prepaid: true}
      - {name: capacity, bill: compute_time}
      - name: enterprise
        volume: [{up_to: "0.50", off: "0"}, {up_to: "2", off: "0.05"}, {off: "0.125"}]
        reserved: [{model: small, tokens_per_minute: 3000, per_minute: "0.0001"}]
  - effective: 2026-06-15
    models:
      - {name: large, input: "2.00", output: "10", system_second: "0.013"}
      - {name: small, input: "0.30", output: "0.75", system_second: "0.011"}
    plans: *plans
)";

inline std::vector<UsageRecord> RandomUsage(SeededStream* random, const std::string& plan,
                                            Month month, int count) {
  const auto draw = [random](int64_t below) {
    return static_cast<int64_t>(random->Next() % static_cast<uint64_t>(below));
  };
  std::vector<UsageRecord> records;
  for (int i = 0; i < count; ++i) {
    UsageRecord record{.id = absl::StrCat("7.", plan, "-", month.Text(), "-", i, ".0"),
                       .tenant = absl::StrCat("t-", plan),
                       .plan = plan,
                       .project = draw(2) == 0 ? "web" : "",
                       .model = draw(2) == 0 ? "small" : "large"};
    record.asked = static_cast<Tier>(draw(kTiers));
    record.served = draw(3) == 0 ? Tier::kDefault : record.asked;
    record.end = static_cast<UsageEnd>(draw(8) < 4 ? 0 : draw(5));
    record.admitted_us = month.begin_us() + draw(3) * kMicrosecondsPerMinute +
                         draw(28) * kMicrosecondsPerDay + draw(kMicrosecondsPerMinute);
    record.ended_us = record.admitted_us + draw(20 * kMicrosecondsPerSecond);
    record.prompt_tokens = draw(8000);
    record.cached_tokens = draw(record.prompt_tokens + 1);
    record.generated_tokens = draw(2000);
    record.system_ns = draw(5'000'000'000);
    record.microjoules = draw(1'000'000'000);
    records.push_back(record);
  }
  return records;
}

inline void Shuffle(SeededStream* random, std::vector<UsageRecord>* records) {
  for (size_t i = records->size(); i > 1; --i) {
    std::swap((*records)[i - 1], (*records)[random->Next() % i]);
  }
}

}  // namespace waferline::billing
