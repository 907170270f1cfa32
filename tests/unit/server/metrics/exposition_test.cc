// What the engine tells comes out of /metrics: every name, the right numbers, under both names.
#include "server/metrics/exposition.h"

#include <prometheus/histogram.h>

#include <catch2/catch.hpp>
#include <set>
#include <sstream>

#include "absl/strings/numbers.h"
#include "server/metrics/buckets.h"
#include "server/metrics/histogram_buffer.h"
#include "wafer_backend/base/seeded_stream.h"

namespace waferline::metrics {
namespace {

Exposition Make() {
  return Exposition(
      {{{.model = "m0", .description = "first", .page_tokens = Tokens(16), .kv_pages = 80},
        {.model = "m1", .computed = false}}});
}

// The value of the line that starts with `series`; -1 if there is none.
double Value(const Exposition& exposition, const std::string& series) {
  std::istringstream lines(exposition.Text());
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind(series + " ", 0) == 0) return std::stod(line.substr(series.size() + 1));
  }
  return -1;
}

const Outcome kOutcome = {
    .reason = FinishReason::kStop,
    .prompt_tokens = 11,
    .generated_tokens = 3,
    .times = {Milliseconds(1), Milliseconds(2), Milliseconds(3), Milliseconds(4)}};

}  // namespace

TEST_CASE("every name is there before the first request") {
  const std::string text = Make().Text();
  for (const char* name : {"waferline_emulated_time_to_first_token_seconds",
                           "waferline_emulated_inter_token_seconds",
                           "waferline_emulated_phase_seconds",
                           "waferline_token_lateness_seconds",
                           "waferline_requests_refused_total",
                           "waferline_requests_finished_total",
                           "waferline_generated_tokens_total",
                           "waferline_model_info",
                           "waferline_requests_in_flight",
                           "waferline_host_engine_progress_age_seconds",
                           "waferline_host_blocked_seconds_total",
                           "vllm:time_to_first_token_seconds",
                           "vllm:inter_token_latency_seconds",
                           "vllm:request_time_per_output_token_seconds",
                           "vllm:e2e_request_latency_seconds",
                           "vllm:request_queue_time_seconds",
                           "vllm:request_prefill_time_seconds",
                           "vllm:request_decode_time_seconds",
                           "vllm:request_inference_time_seconds",
                           "vllm:prompt_tokens_total",
                           "vllm:generation_tokens_total",
                           "vllm:request_success_total",
                           "vllm:num_preemptions_total",
                           "vllm:prefix_cache_queries_total",
                           "vllm:prefix_cache_hits_total",
                           "vllm:cache_config_info",
                           "vllm:request_prompt_tokens",
                           "vllm:request_generation_tokens",
                           "vllm:request_max_num_generation_tokens",
                           "vllm:num_requests_running",
                           "vllm:num_requests_waiting",
                           "vllm:kv_cache_usage_perc"}) {
    INFO(name);
    CHECK(text.find("# TYPE " + std::string(name) + " ") != std::string::npos);
  }
}

TEST_CASE("a request's tokens and times, under our name and vLLM's, after a flush") {
  Exposition exposition = Make();
  engine::EngineObserver* observer = exposition.observer();
  ValidRequest request;
  request.max_tokens = 40;
  const engine::SequenceInfo sequence = {.lane = {1}, .request = &request};
  observer->OnAdmitted(sequence);
  observer->OnToken({.lane = {1}, .index = 0, .gap = Milliseconds(6)});
  observer->OnToken({.lane = {1}, .index = 1, .gap = Microseconds(300)});
  observer->OnToken({.lane = {1}, .index = 2, .gap = Microseconds(700)});
  exposition.lateness()->OnTokenLateness({.lane = {1}}, Microseconds(40));
  exposition.lateness()->OnBlocked(Seconds(2));
  observer->OnOutcome({.sequence = sequence,
                       .outcome = &kOutcome,
                       .first_token_at = Milliseconds(6),
                       .last_token_at = Milliseconds(7)});
  observer->OnRefused(sequence, policy::RefusalCause::kQueueFull, Seconds(1));
  observer->OnRestart(sequence, engine::RestartCause::kPreempted);
  observer->OnCacheLookup({1}, Tokens(10), Tokens(4));
  observer->OnPrefillStep({1}, {0}, Tokens(11), Milliseconds(2));
  observer->OnTransfer({1}, {0}, Bytes(1000));
  CHECK(Value(exposition, "vllm:generation_tokens_total{model_name=\"m1\"}") == 0);
  exposition.Flush();

  const auto m1 = [&](const std::string& name, const std::string& labels = "") {
    return Value(exposition, name + "{model_name=\"m1\"" + labels + "}");
  };
  CHECK(m1("vllm:generation_tokens_total") == 3);
  CHECK(m1("waferline_generated_tokens_total") == 3);
  CHECK(m1("vllm:prompt_tokens_total") == 11);
  CHECK(m1("vllm:time_to_first_token_seconds_sum") == Approx(0.006));
  CHECK(m1("waferline_emulated_time_to_first_token_seconds_sum") == Approx(0.006));
  CHECK(m1("vllm:inter_token_latency_seconds_count") == 2);
  CHECK(m1("vllm:inter_token_latency_seconds_bucket", ",le=\"0.0003\"") == 1);
  CHECK(m1("vllm:inter_token_latency_seconds_bucket", ",le=\"0.0002\"") == 0);
  CHECK(m1("vllm:request_time_per_output_token_seconds_sum") == Approx(0.0005));
  CHECK(m1("vllm:e2e_request_latency_seconds_sum") == Approx(0.010));
  CHECK(m1("vllm:request_inference_time_seconds_sum") == Approx(0.009));
  CHECK(m1("vllm:request_queue_time_seconds_sum") == Approx(0.001));
  CHECK(m1("waferline_emulated_phase_seconds_sum", ",phase=\"transfer\"") == Approx(0.003));
  CHECK(m1("waferline_token_lateness_seconds_sum") == Approx(0.00004));
  CHECK(m1("vllm:request_prompt_tokens_bucket", ",le=\"20\"") == 1);
  CHECK(m1("vllm:request_prompt_tokens_bucket", ",le=\"10\"") == 0);
  CHECK(m1("vllm:request_generation_tokens_sum") == 3);
  CHECK(m1("vllm:request_max_num_generation_tokens_sum") == 40);
  CHECK(m1("vllm:num_preemptions_total") == 1);
  CHECK(m1("vllm:prefix_cache_hits_total") == 4);
  CHECK(m1("waferline_kv_handoff_bytes_total") == 1000);
  CHECK(Value(exposition, "waferline_host_blocked_seconds_total") == 2);
  CHECK(Value(exposition, "waferline_requests_refused_total{cause=\"queue_full\"}") == 1);
  CHECK(Value(exposition,
              "vllm:request_success_total{finished_reason=\"stop\",model_name=\"m1\"}") == 1);
  CHECK(Value(exposition, "vllm:generation_tokens_total{model_name=\"m0\"}") == 0);
  exposition.Flush();  // what was moved is not moved again
  CHECK(m1("vllm:generation_tokens_total") == 3);
}

TEST_CASE("gauges follow the snapshot; every byte of SRAM has an owner") {
  Exposition exposition = Make();
  engine::EngineSnapshot snapshot;
  snapshot.in_flight = 7;
  snapshot.lanes.push_back({.model = "m0",
                            .now = Seconds(4),
                            .waiting = {1, 2, 0},
                            .prefilling = 4,
                            .decoding = 5,
                            .units = {{.name = "wafer-0",
                                       .running = 5,
                                       .max_running = 10,
                                       .pages_used = 20,
                                       .pages_cached = 5,
                                       .pages_capacity = 80,
                                       .stages = {{Bytes(1000), Bytes(600), Bytes(100), Bytes(50)}},
                                       .link_backlog = Bytes(77),
                                       .stage_busy = {Seconds(3)}}}});
  snapshot.now = Seconds(4);
  exposition.SetGauges(snapshot, {.engine_progress_age = Milliseconds(5), .http_connections = 3});
  CHECK(Value(exposition, "vllm:num_requests_waiting{model_name=\"m0\"}") == 3);
  CHECK(Value(exposition, "vllm:num_requests_running{model_name=\"m0\"}") == 9);
  CHECK(Value(exposition, "vllm:kv_cache_usage_perc{model_name=\"m0\"}") == 0.25);
  CHECK(Value(exposition, "waferline_requests_in_flight") == 7);
  CHECK(Value(exposition, "waferline_host_http_connections") == 3);
  CHECK(Value(exposition,
              "waferline_kv_handoff_backlog_bytes{model_name=\"m0\",unit=\"wafer-0\"}") == 77);
  const std::string stage = "{model_name=\"m0\",stage=\"0\",unit=\"wafer-0\"}";
  CHECK(Value(exposition, "waferline_stage_bubble_ratio" + stage) == 0.25);
  CHECK(Value(exposition, "waferline_emulated_stage_busy_seconds_total" + stage) == 3);
  double sram = 0;
  for (const char* owner : {"weights", "buffers", "kv", "free"}) {
    sram += Value(exposition, std::string("waferline_sram_bytes{model_name=\"m0\",owner=\"") +
                                  owner + "\",stage=\"0\",unit=\"wafer-0\"}");
  }
  CHECK(sram == 1000);
  snapshot.lanes[0].decoding = 0;
  exposition.SetGauges(snapshot, {});
  CHECK(Value(exposition, "waferline_requests{model_name=\"m0\",phase=\"decoding\"}") == 0);
}

TEST_CASE("stages of a unit that has not worked are one series, with their sum, until it works") {
  Exposition exposition = Make();
  engine::EngineSnapshot snapshot;
  const engine::StageOccupancy stage = {Bytes(1000), Bytes(600), Bytes(100), Bytes(50)};
  snapshot.lanes.push_back({.model = "m0",
                            .now = Seconds(4),
                            .units = {{.name = "wafer-0",
                                       .stages = {stage, stage, stage},
                                       .stage_busy = {Seconds(0), Seconds(0), Seconds(0)}}}});
  const auto sram = [&](const std::string& at) {
    double sum = 0;
    for (const char* owner : {"weights", "buffers", "kv", "free"}) {
      sum += Value(exposition, std::string("waferline_sram_bytes{model_name=\"m0\",owner=\"") +
                                   owner + "\",stage=\"" + at + "\",unit=\"wafer-0\"}");
    }
    return sum;
  };
  exposition.SetGauges(snapshot, {});
  CHECK(sram("all") == 3000);
  CHECK(Value(exposition,
              "waferline_stage_bubble_ratio{model_name=\"m0\",stage=\"all\",unit="
              "\"wafer-0\"}") == 1);
  CHECK(exposition.Text().find("stage=\"0\"") == std::string::npos);
  snapshot.lanes[0].units[0].stage_busy[1] = Seconds(1);
  exposition.SetGauges(snapshot, {});
  CHECK(sram("0") + sram("1") + sram("2") == 3000);
  CHECK(exposition.Text().find("stage=\"all\"") == std::string::npos);
  exposition.SetGauges(snapshot, {});
  CHECK(sram("2") == 1000);
}

TEST_CASE("only the families that are named come, whole and current") {
  Exposition exposition = Make();
  engine::EngineSnapshot snapshot;
  snapshot.in_flight = 3;
  snapshot.lanes.push_back(
      {.model = "m0", .units = {{.name = "wafer-0", .stage_busy = {Seconds(1)}}}});
  const std::vector<std::string> names = {
      "vllm:num_requests_waiting", "none", "waferline_requests_in_flight",
      "vllm:prompt_tokens_total", "waferline_requests_in_flight"};
  exposition.SetGauges(snapshot, {}, names);
  const std::string text = exposition.Text(names);
  std::set<std::string> found;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    found.insert(line.substr(0, line.find_first_of("{ ", line[0] == '#' ? 7 : 0)));
  }
  CHECK(found == std::set<std::string>{
                     "# HELP vllm:num_requests_waiting", "# TYPE vllm:num_requests_waiting",
                     "vllm:num_requests_waiting", "# HELP waferline_requests_in_flight",
                     "# TYPE waferline_requests_in_flight", "waferline_requests_in_flight",
                     "# HELP vllm:prompt_tokens_total", "# TYPE vllm:prompt_tokens_total",
                     "vllm:prompt_tokens_total"});
  CHECK(text.find("waferline_requests_in_flight 3\n") != std::string::npos);
  // Others were left as they were, and are set when they are asked for.
  CHECK(exposition.Text().find("wafer-0") == std::string::npos);
  CHECK(exposition.Text({"none"}).empty());
  snapshot.in_flight = 4;
  exposition.SetGauges(snapshot, {}, {"waferline_sram_bytes"});
  CHECK(exposition.Text(names).find("waferline_requests_in_flight 3\n") != std::string::npos);
  exposition.SetGauges(snapshot, {});
  CHECK(exposition.Text(names).find("waferline_requests_in_flight 4\n") != std::string::npos);
  CHECK(exposition.Text().find("wafer-0") != std::string::npos);
}

TEST_CASE("front ends") {
  Exposition exposition = Make();
  exposition.front()->OnRequest("/v1/models", 200, Milliseconds(1));
  exposition.front()->OnRequest("/v1/models", 200, Milliseconds(1));
  exposition.front()->OnHostFirstToken("m0", Milliseconds(3));
  exposition.front()->OnStreamEvent("m0", 5);
  exposition.front()->OnTurnedAway("budget");
  CHECK(Value(exposition, "waferline_http_requests_total{code=\"200\",route=\"/v1/models\"}") == 2);
  CHECK(Value(exposition, "waferline_host_time_to_first_token_seconds_sum{model_name=\"m0\"}") ==
        Approx(0.003));
  CHECK(Value(exposition, "waferline_stream_tokens_total{model_name=\"m0\"}") == 5);
  CHECK(Value(exposition, "waferline_turned_away_total{why=\"budget\"}") == 1);
}

TEST_CASE("a hundred tenants have series of their own, the others share one") {
  Exposition exposition = Make();
  for (int i = 0; i < 103; ++i) {
    exposition.front()->OnTenantUse(
        "t" + std::to_string(i),
        {.prompt_tokens = 5, .cached_tokens = 2, .cost_pico = 500'000'000'000});
    exposition.front()->OnTenantRefused("t" + std::to_string(i), "spend");
  }
  const auto tokens = [&](const std::string& tenant, const std::string& kind) {
    return Value(exposition, "waferline_billing_tenant_tokens_total{kind=\"" + kind +
                                 "\",tenant=\"" + tenant + "\"}");
  };
  CHECK(tokens("t99", "prompt") == 3);
  CHECK(tokens("t99", "cached") == 2);
  CHECK(tokens("other", "prompt") == 9);
  CHECK(Value(exposition, "waferline_billing_tenant_cost_usd_total{tenant=\"other\"}") == 1.5);
  CHECK(Value(exposition,
              "waferline_billing_tenant_refused_total{tenant=\"other\",why=\"spend\"}") == 3);
}

TEST_CASE("what a tenant cost is written as the sum of its records is, without a sum's noise") {
  Exposition exposition = Make();
  const uint64_t seed = 3;
  INFO("seed " << seed);
  SeededStream random(seed);
  int64_t micro = 0;
  for (int i = 0; i < 20'000; ++i) {
    const int64_t more = 1 + static_cast<int64_t>(random.Next() % (i % 5 == 0 ? 900'000 : 30));
    micro += more;
    exposition.front()->OnTenantUse("t", {.cost_pico = more * 1'000'000});
    const std::string text = exposition.Text({"waferline_billing_tenant_cost_usd_total"});
    const std::string of_tenant = "{tenant=\"t\"} ";
    std::string written = text.substr(text.find(of_tenant) + of_tenant.size());
    written.resize(written.find('\n'));
    CAPTURE(micro, written);
    double value = 0;
    REQUIRE(absl::SimpleAtod(written, &value));
    REQUIRE(value == static_cast<double>(micro) / 1e6);
    REQUIRE(written.size() <= sizeof("9000.123456"));
  }
}

TEST_CASE("law: a buffer moved in parts is the histogram that saw every value") {
  const uint64_t seed = 5;
  INFO("seed " << seed);
  SeededStream random(seed);
  prometheus::Histogram direct(kTokenBounds), moved(kTokenBounds);
  HistogramBuffer buffer(kTokenBounds);
  for (int i = 0; i < 5000; ++i) {
    // Spread over the bounds, sometimes exactly on one.
    const double seconds = i % 7 == 0 ? kTokenBounds[random.Next() % kTokenBounds.size()]
                                      : random.Exponential(0.001) * (1 << (random.Next() % 12));
    const Nanoseconds value(static_cast<int64_t>(seconds * 1e9 + 0.5));
    direct.Observe(value.as_double() / 1e9);
    buffer.Observe(value);
    if (random.Next() % 100 == 0) buffer.MoveTo(std::vector{&moved});
  }
  buffer.MoveTo(std::vector{&moved});
  const auto a = direct.Collect().histogram, b = moved.Collect().histogram;
  REQUIRE(a.bucket.size() == b.bucket.size());
  for (size_t i = 0; i < a.bucket.size(); ++i) {
    CHECK(a.bucket[i].cumulative_count == b.bucket[i].cumulative_count);
  }
  CHECK(a.sample_sum == Approx(b.sample_sum));
}

TEST_CASE("our bounds contain vLLM's") {
  for (const double bound : {0.001, 0.005, 0.01, 0.1, 2.5, 2560.0}) {
    CHECK(std::count(kFirstTokenBounds.begin(), kFirstTokenBounds.end(), bound) == 1);
  }
  for (const double bound : {0.01, 0.025, 0.05, 0.075, 0.75, 80.0}) {
    CHECK(std::count(kTokenBounds.begin(), kTokenBounds.end(), bound) == 1);
  }
  for (const double bound : {0.3, 0.5, 0.8, 1.0, 15.0, 7680.0}) {
    CHECK(std::count(kRequestBounds.begin(), kRequestBounds.end(), bound) == 1);
  }
  CHECK(kFirstTokenBounds.front() == 0.0001);
  CHECK(kTokenBounds.front() == 0.00005);
  // A quantile is right within a bucket: where a wafer's tokens are, buckets are narrow.
  for (size_t i = 1; kTokenBounds[i] <= 0.002; ++i) {
    CHECK(kTokenBounds[i] / kTokenBounds[i - 1] < 1.251);
  }
  const auto upper = std::lower_bound(kTokenBounds.begin(), kTokenBounds.end(), 0.0005775);
  CHECK(*upper / 0.0005775 < 1.1);
  for (const auto* bounds :
       {&kFirstTokenBounds, &kTokenBounds, &kRequestBounds, &kLatenessBounds}) {
    CHECK(std::is_sorted(bounds->begin(), bounds->end()));
  }
}

TEST_CASE("which experts ran, and how unevenly") {
  Exposition exposition = Make();
  HostFigures host;
  host.compute.push_back({.model = "m0", .expert_tokens = {10, 40, 0, 30}});
  host.compute.push_back({.model = "m1"});
  exposition.SetGauges({}, host);
  CHECK(Value(exposition, "waferline_expert_tokens_total{expert=\"1\",model_name=\"m0\"}") == 40);
  CHECK(Value(exposition, "waferline_expert_tokens_total{expert=\"2\",model_name=\"m0\"}") == 0);
  CHECK(Value(exposition, "waferline_expert_load_imbalance{model_name=\"m0\"}") == 2);
  CHECK(Value(exposition, "waferline_expert_load_imbalance{model_name=\"m1\"}") == -1);
  host.compute[0].expert_tokens = {10, 40, 40, 30};
  host.compute[0].expert_rows = {Bytes(512), Bytes(256)};
  exposition.SetGauges({}, host);
  CHECK(Value(exposition, "waferline_expert_tokens_total{expert=\"2\",model_name=\"m0\"}") == 40);
  CHECK(Value(exposition, "waferline_compute_expert_bytes_total{model_name=\"m0\",shard=\"1\"}") ==
        256);
  host.compute[1].feed_forward_rows = {Bytes(128), Bytes(64)};
  exposition.SetGauges({}, host);
  CHECK(Value(exposition,
              "waferline_compute_feed_forward_bytes_total{model_name=\"m1\",shard=\"1\"}") == 64);
}

}  // namespace waferline::metrics
