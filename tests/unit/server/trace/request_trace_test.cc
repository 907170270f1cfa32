#include "server/trace/request_trace.h"

#include <catch2/catch.hpp>
#include <iterator>
#include <string>
#include <vector>

#include "server/trace/otlp/span_encoder.h"

namespace waferline::trace {
namespace {

using engine::Phase;

class KeptSpans final : public SpanSink {
 public:
  void Add(std::vector<Span> spans) override {
    all.insert(all.end(), std::make_move_iterator(spans.begin()),
               std::make_move_iterator(spans.end()));
  }
  std::vector<Span> all;
};

struct Fixture {
  KeptSpans kept;
  Nanoseconds now{1000};
  Tracer tracer{{.sink = &kept,
                 .ratio = 1,
                 .seed = 5,
                 .monotonic = [this] { return now; },
                 .unix_offset_ns = 1'000'000}};

  std::unique_ptr<RequestTrace> Begin(size_t choices) {
    return std::make_unique<RequestTrace>(&tracer, *tracer.Start(std::nullopt),
                                          TracedRequest{.model = "m",
                                                        .operation = "chat",
                                                        .request_id = "r",
                                                        .choices = choices,
                                                        .received = now});
  }
};

TEST_CASE("a restart makes stages again, and their emulated times add up") {
  Fixture fixture;
  {
    auto trace = fixture.Begin(1);
    const auto step = [&](Phase from, int64_t emulated, Phase to) {
      fixture.now += Nanoseconds(10);
      trace->OnPhase(0, from, Nanoseconds(emulated), to);
    };
    step(Phase::kQueue, 5, Phase::kPrefill);
    step(Phase::kPrefill, 7, Phase::kTransfer);
    step(Phase::kTransfer, 3, Phase::kQueue);
    step(Phase::kQueue, 2, Phase::kPrefill);
    fixture.now += Nanoseconds(10);
    trace->OnOutcome(
        0, {.reason = FinishReason::kFailed,
            .status = absl::UnavailableError("secret"),
            .times = {
                .queue = Nanoseconds(7), .prefill = Nanoseconds(11), .transfer = Nanoseconds(3)}});
    CHECK(fixture.kept.all.empty());
  }
  const std::vector<Span>& spans = fixture.kept.all;
  REQUIRE(spans.size() == 6);
  int64_t sum = 0;
  for (size_t i = 0; i < 5; ++i) {
    sum += std::get<int64_t>(spans[i].attributes[0].second);
    CHECK(spans[i].parent_id == spans[5].span_id);
    CHECK(spans[i].end_unix_ns - spans[i].begin_unix_ns == 10);
  }
  CHECK(sum == 21);
  CHECK(spans[4].name == "prefill");
  CHECK(spans[5].begin_unix_ns == 1'001'000);
  CHECK(spans[5].end_unix_ns == 1'001'050);
  const auto encoded = EncodeSpans({"s", "v", "i"}, spans);
  const auto& last = encoded.resource_spans(0).scope_spans(0).spans(5);
  CHECK(last.status().message() == "UNAVAILABLE");
  CHECK(last.trace_id().size() == 16);
  CHECK(last.span_id().size() == 8);
  CHECK(encoded.SerializeAsString().find("secret") == std::string::npos);
}

TEST_CASE("spans of one request are bounded, and what is left out is counted") {
  Fixture fixture;
  {
    auto trace = fixture.Begin(2);
    for (size_t i = 0; i < 1000; ++i) {
      trace->OnPhase(i % 2, Phase::kQueue, Nanoseconds(1), Phase::kQueue);
    }
  }
  REQUIRE(fixture.kept.all.size() == RequestTrace::kMaxSpans);
  const auto& attributes = fixture.kept.all.back().attributes;
  CHECK(attributes.back().first == "waferline.spans_left_out");
  CHECK(std::get<int64_t>(attributes.back().second) == 489);
}

TEST_CASE("a parent decides; without one the ratio does, and without a sink nothing is traced") {
  KeptSpans kept;
  const auto traced = [&](double ratio, SpanSink* sink) {
    Tracer tracer({.sink = sink, .ratio = ratio, .seed = 1, .monotonic = {}});
    int count = 0;
    for (int i = 0; i < 10'000; ++i) count += tracer.Start(std::nullopt).has_value() ? 1 : 0;
    return count;
  };
  CHECK(traced(0, &kept) == 0);
  CHECK(traced(1, &kept) == 10'000);
  CHECK(traced(0.2, &kept) > 1800);
  CHECK(traced(0.2, &kept) < 2200);
  CHECK(traced(1, nullptr) == 0);
  Tracer tracer({.sink = &kept, .ratio = 0, .seed = 1, .monotonic = {}});
  const TraceContext parent{std::string(32, 'a'), std::string(16, 'b'), true, "x=1"};
  const auto started = tracer.Start(parent);
  CHECK(started->recorded);
  CHECK(started->parent_id == parent.span_id);
  CHECK(started->context.span_id != parent.span_id);
  CHECK(started->context.trace_id == parent.trace_id);
  TraceContext unsampled = parent;
  unsampled.sampled = false;
  CHECK_FALSE(tracer.Start(unsampled)->recorded);
  CHECK(tracer.Start(unsampled)->context.span_id == parent.span_id);
}

}  // namespace
}  // namespace waferline::trace
