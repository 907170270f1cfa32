#include "server/billing/usage_export.h"

#include <catch2/catch.hpp>

#include "tests/unit/server/billing/random_usage.h"

namespace waferline::billing {
namespace {

UsageRecord Record() {
  return {.id = "12.345.0",
          .tenant = "acme, \"inc\"",
          .project = "web",
          .key = "wl-abc",
          .model = "small",
          .asked = Tier::kPriority,
          .served = Tier::kDefault,
          .end = UsageEnd::kFinished,
          .admitted_us = ParseInstant("2026-06-01T10:00:00Z").value() + 5,
          .ended_us = ParseInstant("2026-06-01T10:00:02Z").value(),
          .prompt_tokens = 1000,
          .cached_tokens = 300,
          .generated_tokens = 500,
          .system_ns = 42,
          .accelerator_ns = 9,
          .microjoules = 7};
}

TEST_CASE("a record as a CloudEvent carries the id that counts once") {
  CHECK(
      CloudEventOf(Record()) ==
      R"({"specversion":"1.0","id":"12.345.0","source":"waferline/epoch/12","type":"waferline.usage","subject":"acme, \"inc\"","time":"2026-06-01T10:00:02Z","datacontenttype":"application/json","data":{"tenant":"acme, \"inc\"","project":"web","key":"wl-abc","plan":"","model":"small","tier":"default","tier_asked":"priority","end":"finished","admitted":"2026-06-01T10:00:00Z","prompt_tokens":1000,"cached_tokens":300,"generated_tokens":500,"system_ns":42,"accelerator_ns":9,"microjoules":7}})"
      "\n");
}

TEST_CASE("the subject of no tenant is not empty, which CloudEvents forbids") {
  UsageRecord record = Record();
  record.tenant.clear();
  const std::string event = CloudEventOf(record);
  CHECK(event.find(R"("subject":"no-tenant")") != std::string::npos);
  CHECK(event.find(R"("tenant":"")") != std::string::npos);
}

TEST_CASE("a record as FOCUS rows, one a meter") {
  const PriceBook book = ParsePriceBook("p.yaml", kMixedBook).value();
  const std::string rows = FocusRowsOf(book, Record()).value();
  CHECK(rows.substr(0, rows.find('\n') + 1) ==
        "0.000245,0.000245,0.000245,0.000245,USD,\"acme, \"\"inc\"\"\",web,Usage,input small "
        "default,2026-06-01T10:00:00Z,2026-06-01T10:00:03Z,2026-06-01T00:00:00Z,2026-07-01T00:00:"
        "00Z,700,Tokens,700,Tokens,0.00000035,0.00000035,AI and Machine Learning,Token inference,"
        "Waferline,small,small:input:default,default,12.345.0\r\n");
  CHECK(std::count(rows.begin(), rows.end(), '\n') == 3);
  const std::string header = FocusHeader();
  const size_t columns = 1 + static_cast<size_t>(std::count(header.begin(), header.end(), ','));
  CHECK(columns == 26);
  UsageRecord failed = Record();
  failed.end = UsageEnd::kFailed;
  CHECK(FocusRowsOf(book, failed).value().empty());
}

}  // namespace
}  // namespace waferline::billing
