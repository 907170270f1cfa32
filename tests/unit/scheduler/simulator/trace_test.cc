#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <string>

#include "scheduler/simulator/generated_trace.h"
#include "scheduler/simulator/trace_reader.h"

namespace waferline::simulator {
namespace {

std::string Message(const absl::Status& status) { return std::string(status.message()); }
bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("mooncake lines become requests with their blocks, in order of arrival") {
  const auto read = ParseTrace(
      "{\"timestamp\": 2000, \"input_length\": 1025, \"output_length\": 7, \"hash_ids\": [5, 6, 7],"
      " \"chat_id\": 3}\r\n"
      "\n \n\t \r\n"
      "{\"hash_ids\":[5],\"timestamp\":500.5,\"input_length\":512,\"output_length\":1}\n",
      {TraceFormat::kMooncake, 512});
  INFO(Message(read.status()));
  REQUIRE(read.ok());
  const Trace& trace = read->trace;
  REQUIRE(trace.requests.size() == 2);
  REQUIRE(trace.requests[0].prompt_tokens == 512);
  REQUIRE(trace.requests[0].arrival == Nanoseconds(0));
  REQUIRE(trace.requests[1].arrival == Microseconds(1'499'500));
  REQUIRE(trace.requests[1].blocks == 3);
  REQUIRE(trace.block_ids[trace.requests[1].first_block + 2] == 7);
  REQUIRE(trace.block_tokens == 512);
  REQUIRE(InfiniteCacheHitRate(trace) == Approx(0.25));
}

TEST_CASE("every bad line says which and why, and may be left out and counted") {
  const std::string text =
      "{\"timestamp\": 0, \"input_length\": 10, \"output_length\": 1, \"hash_ids\": [1]}\n"
      "{\"timestamp\": 0, \"output_length\": 1}\n"
      "{\"timestamp\": 0, \"input_length\": -4, \"output_length\": 1}\n"
      "{\"timestamp\": 0, \"input_length\": \"x\", \"output_length\": 1}\n"
      "{\"timestamp\": 0, \"input_length\": 10, \"output_length\": 1, \"hash_ids\": [1, 2]}\n"
      "[1]\n"
      "{\"timestamp\": 0, \n"
      "{\"timestamp\": 1e30, \"input_length\": 10, \"output_length\": 1}\n"
      "{\"timestamp\": 0, \"input_length\": 10.5, \"output_length\": 1}\n";
  ReadOptions options{TraceFormat::kMooncake, 512};
  const std::string message = Message(ParseTrace(text, options).status());
  CAPTURE(message);
  REQUIRE(Has(message, "8 bad lines"));
  REQUIRE(Has(message, "line 2: 'input_length' is missing"));
  REQUIRE(
      Has(message, "line 3: 'input_length' must be an integer between 1 and 1000000000, not -4"));
  REQUIRE(Has(message,
              "line 4: 'input_length' must be an integer between 1 and 1000000000, not a string"));
  REQUIRE(Has(message, "line 5: 'hash_ids' has 2 entries"));
  REQUIRE(Has(message, "line 6: is not a JSON object"));
  REQUIRE(Has(message, "line 7: is not JSON"));
  REQUIRE(Has(message, "line 8: 'timestamp' must be a number between 0 and"));
  REQUIRE(
      Has(message, "line 9: 'input_length' must be an integer between 1 and 1000000000, not 10.5"));
  options.skip_bad = true;
  const auto read = ParseTrace(text, options);
  REQUIRE(read.ok());
  REQUIRE(read->skipped == 8);
  REQUIRE(read->trace.requests.size() == 1);
  REQUIRE(read->trace.block_ids.size() == 1);
  REQUIRE(!ParseTrace("", options).ok());
}

TEST_CASE("azure lines: columns by name, dates with fractions and zones") {
  const auto read = ParseTrace(
      "ContextTokens,TIMESTAMP,GeneratedTokens\n"
      "4808,2023-11-16 23:59:59.9799600,10\n"
      "110,2023-11-17 00:00:01,27\n"
      "7,2023-11-17T01:00:02.5+01:00,3\n",
      {TraceFormat::kAzure});
  INFO(Message(read.status()));
  REQUIRE(read.ok());
  REQUIRE(read->trace.requests[1].arrival == Nanoseconds(1'020'040'000));
  REQUIRE(read->trace.requests[2].arrival == Nanoseconds(2'520'040'000));
  REQUIRE(read->trace.requests[0].prompt_tokens == 4808);
  REQUIRE(read->trace.requests[2].output_tokens == 3);

  const std::string bad = Message(ParseTrace("TIMESTAMP,ContextTokens,GeneratedTokens\n"
                                             "yesterday,1,1\n2023-11-17 00:00:01,0,1\n"
                                             "2023-11-17 00:00:01,5\n",
                                             {TraceFormat::kAzure})
                                      .status());
  REQUIRE(Has(bad, "line 2: TIMESTAMP"));
  REQUIRE(Has(bad, "line 3: ContextTokens"));
  REQUIRE(Has(bad, "line 4: GeneratedTokens is missing"));
  for (const auto& [day, exists] : {std::pair("2023-02-28", true),
                                    {"2023-02-29", false},
                                    {"2023-02-30", false},
                                    {"2023-04-31", false},
                                    {"2024-02-29", true},
                                    {"2023-13-01", false},
                                    {"2023-00-01", false},
                                    {"1969-12-31", false},
                                    {"2261-12-31", true},
                                    {"2262-01-01", false},
                                    {"9541-11-16", false}}) {
    CAPTURE(day);
    const std::string text = std::string("TIMESTAMP,ContextTokens,GeneratedTokens\n") + day;
    REQUIRE(ParseTrace(text + " 10:00:00,1,1\n", {TraceFormat::kAzure}).ok() == exists);
  }
  const auto csv = [](const std::string& lines) {
    return ParseTrace("TIMESTAMP,ContextTokens,GeneratedTokens\n" + lines, {TraceFormat::kAzure});
  };
  const std::string day = "2023-11-16 18:15:46";
  for (const char* zone : {"+99:00", "+01:60", "+01-00", "+0100x"}) {
    CHECK(!csv(day + zone + ",1,1\n").ok());
  }
  CHECK(Has(Message(csv("\"" + day + ",123\",7,5\n").status()), "TIMESTAMP"));
  CHECK(Has(Message(csv(day + ",\"1,700\",5\n").status()), "ContextTokens"));
  CHECK(Has(Message(csv("\"" + day + ",7,5\n").status()), "not closed"));
  CHECK(Has(Message(csv(day + ",7,5,9\n").status()), "has 4 cells, the header has 3"));
  CHECK(Has(Message(ParseTrace("TIMESTAMP,TIMESTAMP,ContextTokens,GeneratedTokens\n",
                               {TraceFormat::kAzure})
                        .status()),
            "twice"));
  for (const auto& [first, second] : {std::pair("1700158546", "1700158546.25"),
                                      {"1700158546001", "1700158546251"},
                                      {"1700158546001000", "1700158546251000"},
                                      {"1700158546001000000", "1700158546251000000"}}) {
    const auto since_1970 = csv(std::string(first) + ",1,1\n" + second + ",1,1\n");
    CAPTURE(first, Message(since_1970.status()));
    REQUIRE(since_1970.ok());
    CHECK(since_1970->trace.requests[1].arrival == Milliseconds(250));
  }
  for (const char* no : {"5", "-1700158546", "1e9", "1700158546x", "99999999999"}) {
    CHECK(!csv(std::string(no) + ",1,1\n").ok());
  }
  const std::string long_ago = Message(ParseTrace("TIMESTAMP,ContextTokens,GeneratedTokens\n"
                                                  "1971-11-16 18:17:03,10,5\n"
                                                  "2023-11-16 18:17:03,10,5\n",
                                                  {TraceFormat::kAzure})
                                           .status());
  REQUIRE(Has(long_ago, "half a year"));
  REQUIRE(Has(Message(ParseTrace("A,B\n1,2\n", {TraceFormat::kAzure}).status()), "TIMESTAMP"));
}

TEST_CASE("our own lines carry tenants, tiers and deadlines, and nothing unknown") {
  const auto read = ParseTrace(
      "{\"arrival_s\": 1.5, \"prompt_tokens\": 3, \"output_tokens\": 4, \"tenant\": \"a\", "
      "\"service_tier\": \"flex\", \"priority\": -2, \"deadline_ms\": 20, \"model\": \"m\"}\n",
      {TraceFormat::kJsonl});
  INFO(Message(read.status()));
  REQUIRE(read.ok());
  const TraceRequest& request = read->trace.requests[0];
  REQUIRE(request.tier == ServiceTier::kFlex);
  REQUIRE(request.priority == -2);
  REQUIRE(request.deadline == Milliseconds(20));
  REQUIRE(read->trace.tenants[request.tenant] == "a");
  REQUIRE(read->trace.models[request.model] == "m");
  const std::string base = "{\"arrival_s\": 1, \"prompt_tokens\": 3, \"output_tokens\": 4, ";
  REQUIRE(Has(Message(ParseTrace(base + "\"colour\": 1}", {TraceFormat::kJsonl}).status()),
              "'colour' is not known here"));
  REQUIRE(
      Has(Message(ParseTrace(base + "\"service_tier\": \"x\"}", {TraceFormat::kJsonl}).status()),
          "service_tier"));
  REQUIRE(Has(Message(ParseTrace(base + "\"priority\": 0.5}", {TraceFormat::kJsonl}).status()),
              "'priority' must be an integer"));
}

TEST_CASE("a byte-order mark before the first line is skipped, in every format") {
  const std::string mark = "\xEF\xBB\xBF";
  for (const char* text : {"{\"timestamp\": 0, \"input_length\": 10, \"output_length\": 1}\n",
                           "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03,10,5\n",
                           "{\"arrival_s\": 1.5, \"prompt_tokens\": 3, \"output_tokens\": 4}\n"}) {
    const auto read = ParseTrace(mark + text, {});  // its format is seen, too
    INFO(Message(read.status()));
    REQUIRE(read.ok());
    REQUIRE(read->trace.requests.size() == 1);
  }
  REQUIRE(Has(Message(ParseTrace(mark, {}).status()), "no request"));
}

TEST_CASE("mooncake timestamps since 1970 are taken relative to the first, to the nanosecond") {
  const auto read = ParseTrace(
      "{\"timestamp\": 1696000000001, \"input_length\": 10, \"output_length\": 1}\n"
      "{\"timestamp\": 1696000000000, \"input_length\": 10, \"output_length\": 1}\n"
      "{\"timestamp\": 1696000003000.5, \"input_length\": 10, \"output_length\": 1}\n",
      {TraceFormat::kMooncake});
  INFO(Message(read.status()));
  REQUIRE(read.ok());
  REQUIRE(read->trace.requests[0].arrival == Nanoseconds());
  REQUIRE(read->trace.requests[1].arrival == Milliseconds(1));
  REQUIRE(read->trace.requests[2].arrival == Microseconds(3'000'500));
  for (const auto& [one, other] : {std::pair("1696000000", "1696000001.5"),
                                   {"1696000000000000", "1696000001500000"},
                                   {"1696000000000000000", "1696000001500000000"}}) {
    const auto line = [](const char* stamp) {
      return std::string("{\"timestamp\": ") + stamp +
             ", \"input_length\": 10, \"output_length\": 1}\n";
    };
    const auto in_unit = ParseTrace(line(one) + line(other), {TraceFormat::kMooncake});
    CAPTURE(one, Message(in_unit.status()));
    REQUIRE(in_unit.ok());
    const double gap = ToSeconds(in_unit->trace.requests[1].arrival);
    CHECK(std::abs(gap - 1.5) < 1e-6);
    CHECK(!ParseTrace(line(one) + line("1696000000000000000000"), {TraceFormat::kMooncake}).ok());
  }
  const std::string mixed = Message(
      ParseTrace("{\"timestamp\": 1696000000000, \"input_length\": 10, \"output_length\": 1}\n"
                 "{\"timestamp\": 0, \"input_length\": 10, \"output_length\": 1}\n",
                 {TraceFormat::kMooncake})
          .status());
  REQUIRE(Has(mixed, "half a year"));
  // Of no unit: too small for microseconds since 1970, too large for milliseconds.
  const std::string neither = Message(
      ParseTrace("{\"timestamp\": 17000000000000, \"input_length\": 1, \"output_length\": 1}\n",
                 {TraceFormat::kMooncake})
          .status());
  CHECK(Has(neither, "timestamp"));
}

TEST_CASE("the format shows in the first line") {
  REQUIRE(*GuessFormat("\n{\"timestamp\":1,\"input_length\":2}") == TraceFormat::kMooncake);
  REQUIRE(*GuessFormat("TIMESTAMP,ContextTokens,GeneratedTokens\n") == TraceFormat::kAzure);
  REQUIRE(*GuessFormat("{\"arrival_s\":1,\"prompt_tokens\":2}") == TraceFormat::kJsonl);
  REQUIRE(Has(Message(GuessFormat("hello").status()), "--format"));
  REQUIRE(Has(Message(GuessFormat("\n \n").status()), "no request"));
}

TEST_CASE("arrivals have the mean and the spread they were asked for") {
  constexpr uint64_t kSeed = 5;
  CAPTURE(kSeed);
  for (const auto& [text, cv] : {std::pair("constant:4", 0.0),
                                 {"poisson:rate=4", 1.0},
                                 {"gamma:rate=4,cv=2", 2.0},
                                 {"gamma:rate=4,cv=0.5", 0.5},
                                 {"weibull:rate=4,shape=0.7", 1.462}}) {
    Workload workload;
    workload.arrivals = *ParseArrivals(text);
    workload.requests = 200'000;
    workload.seed = kSeed;
    const Trace trace = *Generate(workload);
    double sum = 0, squares = 0;
    for (size_t i = 1; i < trace.requests.size(); ++i) {
      const double gap = ToSeconds(trace.requests[i].arrival - trace.requests[i - 1].arrival);
      sum += gap;
      squares += gap * gap;
    }
    const double n = static_cast<double>(trace.requests.size() - 1);
    const double mean = sum / n;
    const double spread = std::sqrt(std::max(0.0, squares / n - mean * mean)) / mean;
    CAPTURE(text);
    REQUIRE(mean == Approx(0.25).epsilon(0.02));
    REQUIRE(spread == Approx(cv).epsilon(0.03).margin(1e-3));
  }
}

TEST_CASE("a day has its high and its low") {
  Workload workload;
  workload.arrivals = *ParseArrivals("diurnal:rate=100,swing=0.8,period=1000");
  workload.requests = 100'000;
  const Trace trace = *Generate(workload);
  int64_t high = 0, low = 0;
  for (const TraceRequest& request : trace.requests) {
    const double phase = std::fmod(ToSeconds(request.arrival), 1000.0);
    if (phase < 500) ++high;
    if (phase >= 500) ++low;
  }
  // Halves of 1 + 0.8 sin: 1 +- 0.8 * 2 / pi.
  REQUIRE(static_cast<double>(high) / static_cast<double>(low) ==
          Approx((1 + 1.6 / 3.14159) / (1 - 1.6 / 3.14159)).epsilon(0.05));
}

TEST_CASE("lengths have their mean, seeds repeat, faults are named") {
  for (const char* text :
       {"uniform:mean=300", "exponential:mean=300", "lognormal:mean=300,sigma=1"}) {
    Workload workload;
    workload.output = *ParseLengths(text);
    workload.requests = 200'000;
    const Trace trace = *Generate(workload);
    double sum = 0;
    for (const TraceRequest& request : trace.requests) sum += request.output_tokens;
    CAPTURE(text);
    REQUIRE(sum / 200'000 == Approx(300).epsilon(0.02));
    REQUIRE(Generate(workload)->hash == trace.hash);
    workload.seed = 9;
    REQUIRE(Generate(workload)->hash != trace.hash);
  }
  REQUIRE(Has(Message(ParseArrivals("gamma:rate=1").status()), "needs cv="));
  REQUIRE(Has(Message(ParseArrivals("poisson:rate=1,cv=2").status()), "has no cv="));
  REQUIRE(Has(Message(ParseArrivals("poisson:rate=x").status()), "not a number"));
  REQUIRE(Has(Message(ParseArrivals("soon:rate=1").status()), "must be one of"));
  REQUIRE(Has(Message(ParseLengths("uniform:mean=0").status()), "must lie in [1, 1e+08]"));
  REQUIRE(Has(Message(ParseLengths("exponential:mean=9,max=8").status()), "below the mean"));
  Workload rare;
  rare.arrivals = *ParseArrivals("constant:rate=1e-6");
  rare.requests = 100;
  REQUIRE(Has(Message(Generate(rare).status()), "request 18 of 100"));
}

TEST_CASE("a mix asks for its models as often as it says, and leaves all else as it is") {
  Workload workload{.requests = 20'000, .seed = 5};
  const Trace plain = *Generate(workload);
  workload.mix = *ParseMix("small=3,large=1");
  const Trace mixed = *Generate(workload);
  REQUIRE(mixed.models == std::vector<std::string>{"small", "large"});
  REQUIRE(mixed.hash != plain.hash);
  int64_t large = 0;
  for (size_t i = 0; i < mixed.requests.size(); ++i) {
    large += mixed.requests[i].model;
    REQUIRE(mixed.requests[i].arrival == plain.requests[i].arrival);
    REQUIRE(mixed.requests[i].prompt_tokens == plain.requests[i].prompt_tokens);
  }
  REQUIRE(static_cast<double>(large) == Approx(5000).epsilon(0.05));
  for (const char* wrong : {"", "small", "small=", "small=0", "=1", "a=1,", "a=1,a=2", "a=nan"}) {
    REQUIRE(!ParseMix(wrong).ok());
  }
}

TEST_CASE("common prefixes make the hits they should") {
  Workload workload;
  workload.requests = 1000;
  workload.prompt.mean = 64;
  workload.prefix_share = 1;
  workload.prefixes = 2;
  workload.prefix_tokens = 640;
  const Trace trace = *Generate(workload);
  // 10 of 11 blocks, but for the first request of each prefix.
  REQUIRE(InfiniteCacheHitRate(trace) == Approx(10.0 / 11 * 998 / 1000));
}

}  // namespace
}  // namespace waferline::simulator
