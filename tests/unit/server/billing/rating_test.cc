#include "server/billing/rating.h"

#include <catch2/catch.hpp>

#include "server/billing/price_book_reader.h"
#include "wafer_backend/base/calendar.h"
#include "wafer_backend/base/seeded_stream.h"

namespace waferline::billing {
namespace {

constexpr std::string_view kBook = R"(
currency: USD
versions:
  - effective: 2026-06-01
    models:
      - {name: large, input: "2.50", cached_input: "0.25", output: "15", tiers: {priority: 2, flex: "0.5"},
         long_prompt: {above: 131072, input: 2, output: "1.5"}}
      - {name: small, input: "0.35", cached_input: "0.035", output: "0.75"}
    plans: [{name: tokens}, {name: capacity, bill: compute_time}]
  - effective: 2026-07-01
    models: [{name: large, input: "5", output: "30"}, {name: "*", input: 1, output: 1}]
    plans: [{name: tokens}]
)";

struct Fixture {
  PriceBook book = ParsePriceBook("p.yaml", kBook).value();

  static UsageRecord Record(std::string model, int64_t prompt, int64_t cached, int64_t generated) {
    return {.id = "1.1.0",
            .tenant = "t",
            .model = std::move(model),
            .admitted_us = ParseInstant("2026-06-10").value(),
            .prompt_tokens = prompt,
            .cached_tokens = cached,
            .generated_tokens = generated};
  }
  std::string Pico(const UsageRecord& record) const {
    return Rate(book, record).value().total.FormatPico();
  }
};

TEST_CASE_METHOD(Fixture, "1,000 of which 300 cached and 500 out cost what the price page says") {
  CHECK(Pico(Record("large", 1000, 300, 500)) == "9325000000");
  CHECK(Rate(book, Record("large", 1000, 300, 500)).value().total.Format() == "0.009325");
  CHECK(Pico(Record("small", 1000, 300, 500)) == "630500000");
  // The usual fault: cached tokens billed in full and again as cached.
  CHECK(Pico(Record("large", 1000, 300, 500)) != "10075000000");
}

TEST_CASE_METHOD(Fixture, "the tier served is charged, not the one asked for") {
  UsageRecord record = Record("large", 1000, 300, 500);
  record.asked = Tier::kPriority;
  CHECK(Pico(record) == "9325000000");
  record.served = Tier::kPriority;
  CHECK(Pico(record) == "18650000000");
  record.served = Tier::kFlex;
  CHECK(Pico(record) == "4662500000");
}

TEST_CASE_METHOD(Fixture, "a long prompt changes the price of the whole request") {
  CHECK(Pico(Record("large", 131'072, 0, 10)) == "327830000000");  // 131,072 x 2.5 + 10 x 15
  CHECK(Pico(Record("large", 131'073, 0, 10)) == "655590000000");  // 131,073 x 5 + 10 x 22.5
}

TEST_CASE_METHOD(Fixture, "prices are those in force at admission") {
  UsageRecord record = Record("large", 1000, 0, 0);
  record.admitted_us = ParseInstant("2026-07-01").value() - 1;
  CHECK(Pico(record) == "2500000000");
  CHECK(Rate(book, record).value().version_us == ParseInstant("2026-06-01").value());
  ++record.admitted_us;
  CHECK(Pico(record) == "5000000000");
  record.model = "other";
  CHECK(Pico(record) == "1000000000");  // "*"
  record.admitted_us = ParseInstant("2026-05-31").value();
  CHECK(Rate(book, record).status().code() == absl::StatusCode::kFailedPrecondition);
}

TEST_CASE_METHOD(Fixture, "what failed or was interrupted is free, what a client cut off is not") {
  UsageRecord record = Record("large", 1000, 300, 500);
  for (const UsageEnd end : {UsageEnd::kFinished, UsageEnd::kCancelled, UsageEnd::kDeadline}) {
    record.end = end;
    CHECK(Pico(record) == "9325000000");
  }
  for (const UsageEnd end : {UsageEnd::kFailed, UsageEnd::kInterrupted}) {
    record.end = end;
    CHECK(Pico(record) == "0");
    CHECK(UsageEndNamed(Name(end)).value() == end);
  }
  record = Record("large", 1000, 0, 5);
  record.plan = "capacity";
  CHECK(Rate(book, record).value().total.IsZero());
  record.plan = "capcity";
  CHECK(Rate(book, record).status().message() ==
        "plan is \"capcity\", must be one of: tokens, capacity; did you mean 'capacity'?");
}

TEST_CASE_METHOD(Fixture, "records that cannot be are refused") {
  CHECK(Rate(book, Record("large", 10, 11, 0)).status().message() ==
        "usage 1.1.0 has 11 cached tokens of 10 prompt tokens");
  CHECK(Rate(book, Record("large", -1, -1, 0)).status().message() ==
        "usage 1.1.0 has a negative count");
  CHECK(Rate(book, Record("lareg", 1, 0, 0)).status().code() == absl::StatusCode::kNotFound);
  CHECK(Rate(book, Record("large", INT64_MAX, 0, 0)).status().code() ==
        absl::StatusCode::kOutOfRange);
}

TEST_CASE_METHOD(Fixture, "a hold covers every charge that may follow") {
  SeededStream random(3);
  for (int i = 0; i < 2000; ++i) {
    const auto draw = [&random](uint64_t below) {
      return static_cast<int64_t>(random.Next() % below);
    };
    UsageRecord record = Record("large", draw(200'000), 0, 0);
    record.asked = record.served = static_cast<Tier>(draw(kTiers));
    const int64_t max_tokens = 1 + draw(5000);
    const Money hold = RateAtMost(book, record, max_tokens).value();
    record.cached_tokens = draw(static_cast<uint64_t>(record.prompt_tokens) + 1);
    record.generated_tokens = draw(static_cast<uint64_t>(max_tokens) + 1);
    const Charge charge = Rate(book, record).value();
    REQUIRE(charge.total <= hold);
    Money sum;
    for (const ChargeLine& line : charge.lines) {
      REQUIRE(line.price.Of(line.quantity).value() == line.amount);
      REQUIRE(sum.Add(line.amount).ok());
    }
    REQUIRE(sum == charge.total);
  }
}

}  // namespace
}  // namespace waferline::billing
