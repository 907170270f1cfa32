#include "client/load/load_report.h"

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <numeric>

#include "wafer_backend/base/seeded_stream.h"

namespace waferline::load {
namespace {

RequestRecord Record(std::vector<Arrival> arrivals, uint32_t completion_tokens) {
  return {.scheduled = Milliseconds(1),
          .sent = Milliseconds(2),
          .ended = Milliseconds(1000),
          .arrivals = std::move(arrivals),
          .prompt_tokens = 7,
          .completion_tokens = completion_tokens};
}

TEST_CASE("a piece of k tokens counts k: gaps are tokens-1 and add up to last minus first") {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    INFO("seed " << seed);
    SeededStream stream(seed);
    std::vector<Arrival> arrivals;
    uint32_t tokens = 0;
    int64_t at = 5'000'000;
    for (uint64_t i = 0, n = 1 + stream.Next() % 20; i < n; ++i) {
      arrivals.push_back({.at = Nanoseconds(at), .tokens = 1 + uint32_t(stream.Next() % 6)});
      tokens += arrivals.back().tokens;
      at += int64_t(stream.Next() % 1'000'000);
    }
    const RequestRecord record = Record(arrivals, tokens);
    REQUIRE(CountsTokens(record));
    const std::vector<Nanoseconds> gaps = TokenGaps(record);
    REQUIRE(gaps.size() == tokens - 1);
    const Nanoseconds sum = std::accumulate(gaps.begin(), gaps.end(), Nanoseconds(0));
    const Nanoseconds span = arrivals.back().at - arrivals.front().at;
    CHECK(sum <= span);
    CHECK(span.count() - sum.count() <= tokens);  // rounding, below 1 ns a token
    if (tokens > 1) {
      CHECK(*TimePerOutputToken(record) == span / int64_t(tokens - 1));
    } else {
      CHECK_FALSE(TimePerOutputToken(record).has_value());
    }
    CHECK(TimeToFirstToken(record) + span == EndToEnd(record));
  }
}

TEST_CASE(
    "a pace is 1 where answers end as fast as requests come, and the server's share of it where "
    "not") {
  // One request a second to a server that takes `each` for one, one after the other, and `more`
  // that costs it nothing.
  const auto pace = [](double each, double more, int count) {
    LoadResult result;
    double free = 0;
    for (int i = 0; i < count; ++i) {
      free = std::max(free, 1.0 * i) + each;
      RequestRecord record = Record({{.at = Milliseconds(3), .tokens = 1}}, 1);
      record.scheduled = record.sent = Seconds(i);
      record.ended = Milliseconds(static_cast<int64_t>(1e3 * (free + more)));
      result.records.push_back(record);
    }
    return result;
  };
  for (const int count : {2, 5, 100}) {
    CHECK(PaceOf(pace(0.5, 0, count)) == Approx(1));
    CHECK(PaceOf(pace(0.5, 60, count)) == Approx(1));  // long answers are not a backlog
    CHECK(PaceOf(pace(2, 60, count)) == Approx(0.5));
  }
  LoadResult half = pace(0.5, 0, 101);
  for (size_t i = 1; i < half.records.size(); i += 2) {
    half.records[i].status = absl::UnavailableError("full");
  }
  CHECK(PaceOf(half) == Approx(51.0 / 101));
  CHECK(PaceOf({}) == 0);
}

TEST_CASE("where pieces do not say their tokens, gaps are per piece and tokens come from usage") {
  const RequestRecord record =
      Record({{Milliseconds(12), 0}, {Milliseconds(22), 0}, {Milliseconds(42), 0}}, 31);
  CHECK_FALSE(CountsTokens(record));
  CHECK(TokensOf(record) == 31);
  CHECK(TokenGaps(record) == std::vector<Nanoseconds>{Milliseconds(10), Milliseconds(20)});
  CHECK(*TimePerOutputToken(record) == Milliseconds(1));
}

TEST_CASE("without usage chunks are counted, and called so; the input is unknown") {
  RequestRecord record =
      Record({{Milliseconds(12), 0}, {Milliseconds(22), 0}, {Milliseconds(42), 0}}, 3);
  record.prompt_tokens.reset();
  record.completion_tokens.reset();
  const LoadReport report = Evaluate({.records = {record}, .duration = Seconds(1)}, {}, false);
  CHECK(report.output_tokens == 3);
  CHECK_FALSE(report.counts_tokens);
  CHECK_FALSE(report.input_tokens.has_value());
  REQUIRE(report.warnings.size() == 2);
  CHECK(report.warnings[0].find("count chunks") != std::string::npos);
  const auto json = ToJson(report);
  CHECK(json.at("output_counts").as_string() == "chunks");
  CHECK(json.at("total_input_tokens").is_null());
  CHECK(json.at("total_token_throughput").is_null());
  const std::string text = ToText(report);
  CHECK(text.find("chunks     unknown in, 3 out") != std::string::npos);
  CHECK(text.find("time per output chunk") != std::string::npos);
  // One answer without usage is enough for the sum to be no number of tokens.
  const RequestRecord whole = Record({{Milliseconds(12), 1}}, 1);
  CHECK_FALSE(
      Evaluate({.records = {whole, record}, .duration = Seconds(1)}, {}, false).counts_tokens);
  CHECK(Evaluate({.records = {whole}, .duration = Seconds(1)}, {}, false).counts_tokens);
}

TEST_CASE("latency counts from the send and from the schedule, and a late client says so") {
  LoadResult result{.duration = Seconds(2)};
  for (uint32_t i = 0; i < 10; ++i) {
    RequestRecord record = Record({{Milliseconds(130), 1}, {Milliseconds(230), 1}}, 2);
    record.index = i;
    record.sent = Milliseconds(30);
    record.scheduled = Milliseconds(10);
    result.records.push_back(record);
  }
  const LoadReport report = Evaluate(result, {}, false);
  CHECK(report.completed == 10);
  CHECK(report.request_throughput == Approx(5));
  CHECK(report.output_throughput == Approx(10));
  CHECK(*report.total_token_throughput == Approx(45));
  CHECK(report.ttft_ms.mean == Approx(100));
  CHECK(report.ttft_from_schedule_ms.mean == Approx(120));
  CHECK(report.e2el_from_schedule_ms.mean == Approx(220));
  CHECK(report.client_lag_ms.p99 == Approx(20));
  REQUIRE(report.warnings.size() == 1);
  CHECK(report.warnings[0].find("client was late") != std::string::npos);
  CHECK(Evaluate(result, {}, true).warnings[0].find("waited for a place") != std::string::npos);
  for (RequestRecord& record : result.records) record.scheduled = record.sent;
  CHECK(Evaluate(result, {}, false).warnings.empty());
}

TEST_CASE("failures are counted by their message and do not touch the latencies") {
  LoadResult result{.duration = Seconds(1)};
  result.records.push_back(Record({{Milliseconds(12), 1}}, 1));
  result.records.push_back(Record({}, 0));
  result.records.push_back(Record({{Milliseconds(900), 1}}, 1));
  result.records.back().status = absl::UnavailableError("full");
  const LoadReport report = Evaluate(result, {}, false);
  CHECK(report.completed == 1);
  CHECK(report.failed == 2);
  CHECK(report.errors.at("full") == 1);
  CHECK(report.errors.at("the answer is empty") == 1);
  CHECK(report.e2el_ms.max == Approx(10));
}

TEST_CASE("goodput counts requests that keep every limit") {
  const auto goodput = ParseLatencyObjectives("ttft:100,tpot:10");
  REQUIRE(goodput.ok());
  CHECK(IsGood(Record({{Milliseconds(102), 1}, {Milliseconds(112), 1}}, 2), *goodput));
  CHECK_FALSE(IsGood(Record({{Milliseconds(103), 1}, {Milliseconds(112), 1}}, 2), *goodput));
  CHECK_FALSE(IsGood(Record({{Milliseconds(102), 1}, {Milliseconds(113), 1}}, 2), *goodput));
  LoadResult result{.duration = Seconds(2)};
  result.records = {Record({{Milliseconds(50), 1}}, 1), Record({{Milliseconds(500), 1}}, 1)};
  CHECK(*Evaluate(result, *goodput, false).request_goodput == Approx(0.5));
  CHECK_FALSE(Evaluate(result, {}, false).request_goodput.has_value());
  for (const char* wrong : {"", "ttft", "ttft:", "ttft:x", "ttft:-1", "ttft:0", "itl:5", "ttft:nan",
                            "ttft:5,,tpot:5"}) {
    INFO(wrong);
    CHECK(ParseLatencyObjectives(wrong).status().code() == absl::StatusCode::kInvalidArgument);
  }
}

TEST_CASE("emulated latencies come from instants or durations, where the server tells") {
  LoadResult result{.duration = Seconds(1)};
  RequestRecord record = Record({{Milliseconds(12), 1}, {Milliseconds(13), 4}}, 5);
  result.records = {record};
  CHECK_FALSE(Evaluate(result, {}, false).emulated_ttft_ms.has_value());
  record.emulated_first = Milliseconds(40);
  record.emulated_last = Milliseconds(44);
  result.records = {record};
  const LoadReport report = Evaluate(result, {}, false);
  CHECK(report.emulated_ttft_ms->mean == Approx(40));
  CHECK(report.emulated_tpot_ms->mean == Approx(1));
}

TEST_CASE("the JSON has the names that vLLM's benchmark uses") {
  LoadResult result{.duration = Seconds(1)};
  result.records = {Record({{Milliseconds(12), 1}, {Milliseconds(22), 1}}, 2)};
  const auto json = ToJson(Evaluate(result, *ParseLatencyObjectives("ttft:1000"), false));
  for (const char* key :
       {"duration",           "completed",       "total_input_tokens", "total_output_tokens",
        "request_throughput", "request_goodput", "output_throughput",  "total_token_throughput",
        "mean_ttft_ms",       "median_ttft_ms",  "std_ttft_ms",        "p99_ttft_ms",
        "mean_tpot_ms",       "median_tpot_ms",  "std_tpot_ms",        "p99_tpot_ms",
        "mean_itl_ms",        "median_itl_ms",   "std_itl_ms",         "p99_itl_ms",
        "mean_e2el_ms",       "median_e2el_ms",  "std_e2el_ms",        "p99_e2el_ms"}) {
    INFO(key);
    REQUIRE(json.contains(key));
    CHECK(json.at(key).is_number());
  }
  CHECK(json.at("mean_ttft_ms").as_double() == Approx(10));
  CHECK(json.at("itl_counts").as_string() == "tokens");
  const auto line = ToJson(result.records[0]);
  CHECK(line.at("ttft_ms").as_double() == Approx(10));
  CHECK(line.at("itl_ms").as_array().size() == 1);
  CHECK(line.at("ok").as_bool());
}

}  // namespace
}  // namespace waferline::load
