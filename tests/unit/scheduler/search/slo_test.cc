#include "scheduler/search/slo.h"

#include <catch2/catch.hpp>

#include "scheduler/search/variants.h"

namespace waferline::search {
namespace {

bool Says(const absl::Status& status, const std::string& part) {
  INFO(status.message());
  return std::string(status.message()).find(part) != std::string::npos;
}

TEST_CASE("an objective is read term by term") {
  const auto slo = ParseSlo("ttft:p99<500ms,tpot:p99.9<5000us,e2e:p50<3s");
  INFO(slo.status().message());
  REQUIRE(slo.ok());
  REQUIRE(slo->size() == 3);
  REQUIRE((*slo)[0].latency == Latency::kTtft);
  REQUIRE((*slo)[0].late_per_million == 10'000);
  REQUIRE((*slo)[0].limit == Milliseconds(500));
  REQUIRE((*slo)[1].late_per_million == 1'000);
  REQUIRE((*slo)[1].limit == Milliseconds(5));
  REQUIRE((*slo)[2].AllowedOf(101) == 50);
}

TEST_CASE("a wrong objective says what is wrong") {
  REQUIRE(Says(ParseSlo("").status(), "must be LATENCY:pPERCENT<TIME"));
  REQUIRE(Says(ParseSlo("tftt:p99<5ms").status(), "did you mean 'ttft'?"));
  REQUIRE(Says(ParseSlo("ttft:99<5ms").status(), "percentile must be pN"));
  REQUIRE(Says(ParseSlo("ttft:p100<5ms").status(), "below 100"));
  REQUIRE(Says(ParseSlo("ttft:p99<5").status(), "with its unit"));
  REQUIRE(Says(ParseSlo("ttft:p99<-5ms").status(), "from 1 ns"));
  REQUIRE(Says(ParseSlo("ttft:p99<5ms,ttft:p99<6ms").status(), "twice"));
}

TEST_CASE("a request without an answer misses every term, and a run is hopeless at once") {
  const Slo slo = *ParseSlo("ttft:p90<1ms,e2e:p50<1s");
  SloWatch watch(slo);
  Outcome outcome;
  outcome.reason = FinishReason::kLength;
  outcome.generated_tokens = 1;
  engine::OutcomeInfo info;
  info.outcome = &outcome;
  info.first_token_at = Nanoseconds(999'999);
  watch.OnOutcome(info);
  REQUIRE(watch.terms()[0].late == 0);
  info.first_token_at = Milliseconds(1);  // the limit itself is late
  watch.OnOutcome(info);
  REQUIRE(watch.terms()[0].late == 1);
  REQUIRE(watch.terms()[1].late == 0);
  REQUIRE(!watch.Hopeless(10));
  REQUIRE(watch.Hopeless(9));  // a tenth of 9 is none
  watch.OnRefused({}, {}, {});
  outcome.reason = FinishReason::kDeadline;
  watch.OnOutcome(info);
  REQUIRE(watch.unanswered() == 2);
  REQUIRE(watch.terms()[0].late == 3);
  REQUIRE(watch.terms()[1].late == 2);
}

TEST_CASE("fields and their values are read, with and without an order") {
  const auto range = ParseAxis("models.0.prefill.workers=2:8:3");
  REQUIRE(range.ok());
  REQUIRE(range->ordered);
  REQUIRE(range->values == std::vector<std::string>{"2", "5", "8"});
  REQUIRE(NextValue(*range, 0) == "5");
  REQUIRE(NextValue(*range, 2) == "11");
  const auto list = ParseAxis("models.0.decode.0.hardware=wse-2,wse-3");
  REQUIRE(list.ok());
  REQUIRE(!list->ordered);
  REQUIRE(Says(ParseAxis("workers").status(), "is not PATH=LOW:HIGH"));
  REQUIRE(Says(ParseAxis("workers=8:2").status(), "must rise"));
  REQUIRE(Says(ParseAxis("workers=-1:2").status(), "whole numbers"));
  REQUIRE(Says(ParseAxis("workers=1,,2").status(), "empty"));
  REQUIRE(Says(ParseAxis("workers=1,2,1").status(), "gives 1 twice"));
  REQUIRE(Says(ParseAxes({"a=1:2", "a=3:4"}).status(), "a is given twice"));
  REQUIRE(Says(ParseAxes({"a=1:1000", "b=1:1000"}).status(), "combinations"));
  REQUIRE(AllPlaces(*ParseAxes({"a=1:2", "b=1:3"})).size() == 6);
}

}  // namespace
}  // namespace waferline::search
