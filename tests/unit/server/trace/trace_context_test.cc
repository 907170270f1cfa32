#include "server/trace/trace_context.h"

#include <catch2/catch.hpp>
#include <string>

namespace waferline::trace {
namespace {

const std::string kGood = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST_CASE("a traceparent is one of the W3C form, and no other") {
  CHECK(IsTraceparent(kGood));
  CHECK(IsTraceparent("01" + kGood.substr(2) + "-more"));
  CHECK_FALSE(IsTraceparent(kGood + "-more"));
  CHECK_FALSE(IsTraceparent("ff" + kGood.substr(2)));
  CHECK_FALSE(IsTraceparent("00-00000000000000000000000000000000-00f067aa0ba902b7-01"));
  CHECK_FALSE(IsTraceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"));
  CHECK_FALSE(IsTraceparent("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"));
  CHECK_FALSE(IsTraceparent(kGood.substr(0, 54)));
  CHECK_FALSE(IsTraceparent(""));
}

TEST_CASE("a context comes back as it was written") {
  const auto context = ReadTraceContext(kGood, " a=1 , b@c=x y,, ");
  REQUIRE(context);
  CHECK(context->trace_id == "4bf92f3577b34da6a3ce929d0e0e4736");
  CHECK(context->span_id == "00f067aa0ba902b7");
  CHECK(context->sampled);
  CHECK(context->state == "a=1,b@c=x y");
  CHECK(TraceparentOf(*context) == kGood);
  const auto later = ReadTraceContext("42" + kGood.substr(2, 50) + "-fe-new", "");
  CHECK_FALSE(later->sampled);
  CHECK(TraceparentOf(*later) == kGood.substr(0, 53) + "00");
}

TEST_CASE("a tracestate that is not valid is dropped alone") {
  std::string many;
  for (int i = 0; i < 33; ++i) many += "k" + std::to_string(i) + "=v,";
  for (const std::string& state : {std::string("A=1"), std::string("a"), std::string("=1"),
                                   std::string("a="), std::string("a=1=2"), std::string("_a=1"),
                                   std::string("a=\x01"), many, "a=" + std::string(600, 'x')}) {
    INFO(state);
    const auto context = ReadTraceContext(kGood, state);
    REQUIRE(context);
    CHECK(context->state.empty());
  }
}

}  // namespace
}  // namespace waferline::trace
