#include "wafer_backend/base/latency_objectives.h"

#include <catch2/catch.hpp>
#include <string>

namespace waferline {
namespace {

TEST_CASE("objectives are read in milliseconds, with both names of the end-to-end latency") {
  const auto all = ParseLatencyObjectives("ttft:200,tpot:0.5,e2e:3000");
  REQUIRE(all.ok());
  CHECK(all->ttft == Milliseconds(200));
  CHECK(all->tpot == Microseconds(500));
  CHECK(all->e2e == Seconds(3));
  CHECK(ParseLatencyObjectives("e2el:3000")->e2e == Seconds(3));
  CHECK(all->Met(Milliseconds(200), Microseconds(500), Seconds(3)));
  CHECK(!all->Met(Nanoseconds(200'000'001), Microseconds(500), Seconds(3)));
  CHECK(!all->Met(Nanoseconds(), Nanoseconds(500'001), Nanoseconds()));
  CHECK(!all->Met(Nanoseconds(), Nanoseconds(), Nanoseconds(3'000'000'001)));
  CHECK(!LatencyObjectives().any());
  CHECK(LatencyObjectives().Met(Seconds(1), Seconds(1), Seconds(1)));
}

TEST_CASE("an objective that cannot be one is named") {
  for (const auto& [text, says] : {std::pair("", "NAME:MILLISECONDS"),
                                   {"ttft", "\"ttft\" must be NAME:MILLISECONDS"},
                                   {"ttft:", "NAME:MILLISECONDS"},
                                   {"ttft:x", "NAME:MILLISECONDS"},
                                   {"ttft:-1", "NAME:MILLISECONDS"},
                                   {"ttft:0", "NAME:MILLISECONDS"},
                                   {"ttft:nan", "NAME:MILLISECONDS"},
                                   {"ttft:inf", "NAME:MILLISECONDS"},
                                   {"ttft:5,,tpot:5", "NAME:MILLISECONDS"},
                                   {"itl:5", "\"itl\" must be one of: ttft, tpot, e2e (or e2el)"},
                                   {"ttft:1,ttft:2", "ttft is given twice"},
                                   {"e2e:1,e2el:2", "e2el is given twice"}}) {
    CAPTURE(text);
    const absl::Status status = ParseLatencyObjectives(text).status();
    CHECK(status.code() == absl::StatusCode::kInvalidArgument);
    CHECK(status.message().find(says) != absl::string_view::npos);
  }
}

}  // namespace
}  // namespace waferline
