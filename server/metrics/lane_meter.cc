#include "server/metrics/lane_meter.h"

#include "server/metrics/buckets.h"

namespace waferline::metrics {
namespace {

constexpr const char* kPhaseNames[engine::kPhases] = {"queue", "prefill", "transfer", "decode"};
constexpr const char* kVllmPhases[engine::kPhases] = {"vllm:request_queue_time_seconds",
                                                      "vllm:request_prefill_time_seconds", "",
                                                      "vllm:request_decode_time_seconds"};
// By FinishReason: this program's names and vLLM's.
constexpr const char* kReasons[] = {"stop", "length", "cancelled", "deadline", "failed"};
constexpr const char* kVllmReasons[] = {"stop", "length", "abort", "abort", "error"};
constexpr const char* kRestartNames[engine::kRestartCauses] = {"preempted", "worker_lost",
                                                               "unit_lost", "lease_expired"};

constexpr char kFinished[] = "waferline_requests_finished_total";

// Creates one model's series.
class SeriesMaker {
 public:
  SeriesMaker(Families& families, const std::string& model) : families_(families), model_(model) {}

  SampleBuffer Samples(const SeriesNames& names, const std::vector<double>& bounds,
                       Labels labels = {}) const {
    labels["model_name"] = model_;
    return SampleBuffer(AddHistograms(families_, names, labels, bounds), bounds);
  }
  CounterBuffer Count(const SeriesNames& names, Labels labels = {}, Labels vllm_labels = {}) const {
    labels["model_name"] = vllm_labels["model_name"] = model_;
    CounterBuffer count{{AddCounter(families_, names.own, names.own_help, labels)}};
    if (!names.vllm.empty()) {
      count.series.push_back(
          AddCounter(families_, names.vllm, "Same as " + names.own + ".", vllm_labels));
    }
    return count;
  }

 private:
  Families& families_;
  const std::string& model_;
};

}  // namespace

void CounterBuffer::Flush() {
  if (pending == 0) return;
  for (prometheus::Counter* counter : series) counter->Increment(pending);
  pending = 0;
}

LaneMeter::LaneMeter(Families& families, const std::string& model)
    : first_token(SeriesMaker(families, model)
                      .Samples({"waferline_emulated_time_to_first_token_seconds",
                                "Emulated time from arrival to the first token.",
                                "vllm:time_to_first_token_seconds"},
                               kFirstTokenBounds)),
      inter_token(SeriesMaker(families, model)
                      .Samples({"waferline_emulated_inter_token_seconds",
                                "Emulated time between two tokens of a request.",
                                "vllm:inter_token_latency_seconds"},
                               kTokenBounds)),
      per_output_token(SeriesMaker(families, model)
                           .Samples({"waferline_emulated_time_per_output_token_seconds",
                                     "Mean emulated time per token after the first, by request.",
                                     "vllm:request_time_per_output_token_seconds"},
                                    kTokenBounds)),
      request(SeriesMaker(families, model)
                  .Samples({"waferline_emulated_request_seconds",
                            "Emulated time from arrival to the end of a request.",
                            "vllm:e2e_request_latency_seconds"},
                           kRequestBounds)),
      inference(SeriesMaker(families, model)
                    .Samples({"waferline_emulated_inference_seconds",
                              "Emulated time from the end of queueing to the end of a request.",
                              "vllm:request_inference_time_seconds"},
                             kRequestBounds)),
      lateness(SeriesMaker(families, model)
                   .Samples({"waferline_token_lateness_seconds",
                             "Wall time by which a token left after its emulated instant.", ""},
                            kLatenessBounds)),
      prompt_size(SeriesMaker(families, model)
                      .Samples({"waferline_request_prompt_tokens", "Tokens of a prompt.",
                                "vllm:request_prompt_tokens"},
                               kTokenCountBounds)),
      answer_size(SeriesMaker(families, model)
                      .Samples({"waferline_request_generated_tokens",
                                "Generated tokens of a request.", "vllm:request_generation_tokens"},
                               kTokenCountBounds)),
      max_tokens(SeriesMaker(families, model)
                     .Samples({"waferline_request_max_tokens",
                               "Tokens that a request might have generated at most.",
                               "vllm:request_max_num_generation_tokens"},
                              kTokenCountBounds)),
      tenants(families, model) {
  const SeriesMaker make(families, model);
  for (int i = 0; i < engine::kPhases; ++i) {
    phases.push_back(
        make.Samples({"waferline_emulated_phase_seconds",
                      "Emulated time that a request spent in each phase.", kVllmPhases[i]},
                     kRequestBounds, {{"phase", kPhaseNames[i]}}));
  }
  AddCounters(families, model);
  AddTiers(families, model);
}

void LaneMeter::AddCounters(Families& families, const std::string& model) {
  const SeriesMaker make(families, model);
  admitted = make.Count({"waferline_requests_admitted_total", "Requests that were admitted."});
  prompt_tokens =
      make.Count({"waferline_prompt_tokens_total",
                  "Prompt tokens of sequences that ended, cached ones included. Each choice of "
                  "a request is a sequence; billing counts their prompt once.",
                  "vllm:prompt_tokens_total"});
  generated_tokens = make.Count({"waferline_generated_tokens_total",
                                 "Tokens that left the pipeline.", "vllm:generation_tokens_total"});
  cache_queried =
      make.Count({"waferline_prefix_cache_queried_tokens_total",
                  "Prompt tokens looked up in prefix caches.", "vllm:prefix_cache_queries_total"});
  cache_hit = make.Count({"waferline_prefix_cache_hit_tokens_total",
                          "Prompt tokens found in prefix caches.", "vllm:prefix_cache_hits_total"});
  prefill_tokens =
      make.Count({"waferline_prefill_tokens_total", "Tokens computed by prefill steps."});
  prefill_busy_seconds = make.Count({"waferline_emulated_prefill_busy_seconds_total",
                                     "Emulated time of prefill steps, summed over workers."});
  transferred_bytes = make.Count(
      {"waferline_kv_handoff_bytes_total", "KV bytes sent from the prefill pool to decode units."});
  joules = make.Count({"waferline_emulated_energy_joules_total",
                       "Energy that the emulated hardware took for requests that ended, as they "
                       "are charged: what it draws at work, while it works."});
  for (size_t i = 0; i < std::size(kReasons); ++i) {
    finished.push_back(
        make.Count({kFinished, "Requests that ended, by reason.", "vllm:request_success_total"},
                   {{"reason", kReasons[i]}}, {{"finished_reason", kVllmReasons[i]}}));
  }
  for (int i = 0; i < engine::kRestartCauses; ++i) {
    restarts.push_back(make.Count(
        {"waferline_restarts_total", "Times that a request had to be prefilled again, by cause.",
         i == 0 ? "vllm:num_preemptions_total" : ""},
        {{"cause", kRestartNames[i]}}));
  }
}

void LaneMeter::AddTiers(Families& families, const std::string& model) {
  constexpr ServiceTier kServed[] = {ServiceTier::kDefault, ServiceTier::kFlex,
                                     ServiceTier::kPriority};
  constexpr ServiceTier kAsked[] = {ServiceTier::kAuto, ServiceTier::kDefault, ServiceTier::kFlex,
                                    ServiceTier::kPriority};
  const SeriesMaker make(families, model);
  for (const ServiceTier served : kServed) {
    const std::string name(NameOf(served));
    tier_tokens[static_cast<size_t>(served)] =
        make.Count({"waferline_tier_generated_tokens_total",
                    "Tokens of requests that ended, by the service tier that served them.", ""},
                   {{"served", name}});
    for (const ServiceTier asked : kAsked) {
      tier_requests[static_cast<size_t>(asked)][static_cast<size_t>(served)] = make.Count(
          {"waferline_tier_requests_total",
           "Requests that ended, by the service tier asked for and the one that served them.", ""},
          {{"asked", std::string(NameOf(asked))}, {"served", name}});
    }
  }
}

void LaneMeter::OnOutcome(const engine::OutcomeInfo& info) {
  const Outcome& outcome = *info.outcome;
  finished[static_cast<size_t>(outcome.reason)].Add();
  prompt_tokens.Add(outcome.prompt_tokens);
  const auto served = static_cast<size_t>(outcome.served);
  tier_requests[static_cast<size_t>(info.sequence.request->tier)][served].Add();
  tier_tokens[served].Add(outcome.generated_tokens);
  joules.Add(static_cast<double>(outcome.compute.microjoules) * 1e-6);
  tenants.OnOutcome(info);
  // Cancelled and failed requests do not show how long an answer takes.
  if (outcome.reason != FinishReason::kStop && outcome.reason != FinishReason::kLength) return;
  const RequestTimes& times = outcome.times;
  request.Observe(times.total());
  inference.Observe(times.total() - times.queue);
  const Nanoseconds by_phase[engine::kPhases] = {times.queue, times.prefill, times.transfer,
                                                 times.decode};
  for (int i = 0; i < engine::kPhases; ++i) phases[i].Observe(by_phase[i]);
  prompt_size.Observe(outcome.prompt_tokens);
  answer_size.Observe(outcome.generated_tokens);
  max_tokens.Observe(info.sequence.request->max_tokens);
  if (outcome.generated_tokens > 1) {
    per_output_token.Observe((info.last_token_at - info.first_token_at) /
                             int64_t{outcome.generated_tokens - 1});
  }
}

void LaneMeter::Flush() {
  for (SampleBuffer* samples : {&first_token, &inter_token, &per_output_token, &request, &inference,
                                &lateness, &prompt_size, &answer_size, &max_tokens}) {
    samples->Flush();
  }
  for (SampleBuffer& durations : phases) durations.Flush();
  for (CounterBuffer* counter :
       {&admitted, &prompt_tokens, &generated_tokens, &cache_queried, &cache_hit, &prefill_tokens,
        &prefill_busy_seconds, &transferred_bytes, &joules}) {
    counter->Flush();
  }
  tenants.Flush();
  for (CounterBuffer& counter : finished) counter.Flush();
  for (CounterBuffer& counter : restarts) counter.Flush();
  for (CounterBuffer& counter : tier_tokens) counter.Flush();
  for (auto& of_asked : tier_requests) {
    for (CounterBuffer& counter : of_asked) counter.Flush();
  }
}

}  // namespace waferline::metrics
