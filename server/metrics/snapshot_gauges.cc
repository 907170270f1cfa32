#include "server/metrics/snapshot_gauges.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"

namespace waferline::metrics {

SnapshotGauges::SnapshotGauges(Families& families, const std::vector<MeteredLane>& lanes)
    : families_(families) {
  engine::EngineSnapshot idle;
  for (const MeteredLane& lane : lanes) {
    Put("waferline_model_info",
        "Served models: where their tokens come from. Their times are always emulated.",
        {{"model_name", lane.model},
         {"tokens", lane.computed ? "computed" : "stand-in"},
         {"description", lane.description}},
        1);
    Put("vllm:cache_config_info", "KV cache: blocks of all decode units, positions in a block.",
        {{"model_name", lane.model},
         {"block_size", absl::StrCat(lane.page_tokens.count())},
         {"num_gpu_blocks", absl::StrCat(lane.kv_pages)}},
        1);
    idle.lanes.push_back({.model = lane.model});
  }
  Set(idle, {});  // every name is in the first scrape
}

bool SnapshotGauges::Wants(std::string_view name) const {
  return wanted_.empty() || std::find(wanted_.begin(), wanted_.end(), name) != wanted_.end();
}

void SnapshotGauges::Put(std::string_view name, const char* help, const Labels& labels,
                         double value) {
  if (!Wants(name)) return;
  Series<prometheus::Gauge>& gauge = gauges_[{std::string(name), labels}];
  if (gauge.metric == nullptr) {
    gauge.family = &families_.Gauges(std::string(name), help);
    gauge.metric = &gauge.family->Add(labels);
  }
  gauge.metric->Set(value);
}

void SnapshotGauges::Count(std::string_view name, const char* help, const Labels& labels,
                           double total) {
  if (!Wants(name)) return;
  Series<prometheus::Counter>& counter = counters_[{std::string(name), labels}];
  if (counter.metric == nullptr) {
    counter.family = &families_.Counters(std::string(name), help);
    counter.metric = &counter.family->Add(labels);
  }
  counter.metric->Increment(total - counter.metric->Value());
}

void SnapshotGauges::Drop(const std::string& name, const Labels& labels) {
  if (const auto gauge = gauges_.find({name, labels}); gauge != gauges_.end()) {
    gauge->second.family->Remove(gauge->second.metric);
    gauges_.erase(gauge);
  }
  if (const auto counter = counters_.find({name, labels}); counter != counters_.end()) {
    counter->second.family->Remove(counter->second.metric);
    counters_.erase(counter);
  }
}

void SnapshotGauges::SetCompute(const ComputeFigures& figures) {
  const Labels model = {{"model_name", figures.model}};
  const auto at = [&](const char* key, size_t index) {
    Labels labels = model;
    labels[key] = absl::StrCat(index);
    return labels;
  };
  Count("waferline_compute_decode_steps_total", "Decode steps that shards computed.", model,
        static_cast<double>(figures.decode_steps));
  Count("waferline_compute_decode_rows_total", "Sequences in those steps, added up.", model,
        static_cast<double>(figures.decode_rows));
  Count("waferline_compute_prefill_tokens_total", "Prompt tokens that were computed.", model,
        static_cast<double>(figures.prefill_tokens));
  Count("waferline_compute_drafted_tokens_total", "Tokens that speculation proposed.", model,
        static_cast<double>(figures.drafted_tokens));
  Count("waferline_compute_accepted_tokens_total", "Proposed tokens that the model drew itself.",
        model, static_cast<double>(figures.accepted_tokens));
  for (const auto& [cause, count] : figures.host_recoveries) {
    Count("waferline_host_recoveries_total",
          "Times that a sequence was computed again because a worker process was lost, by cause.",
          {{"model_name", figures.model}, {"cause", cause}}, static_cast<double>(count));
  }
  if (!figures.chains.empty()) SetChains(figures);
  Put("waferline_compute_sequences", "Sequences that the compute plane holds.", model,
      figures.live_sequences);
  Put("waferline_compute_prefill_kv_bytes", "KV held by the prefill pool.", model,
      figures.prefill_kv.as_double());
  for (size_t i = 0; i < figures.kv_reserved.size(); ++i) {
    Put("waferline_compute_shard_kv_bytes", "KV reserved in a shard's SRAM.", at("shard", i),
        figures.kv_reserved[i].as_double());
  }
  for (size_t i = 0; i < figures.activations.size(); ++i) {
    Count("waferline_compute_activation_bytes_total",
          "Activations passed from a shard to its neighbour.", at("hop", i),
          figures.activations[i].as_double());
  }
  for (size_t i = 0; i < figures.feed_forward_rows.size(); ++i) {
    Count("waferline_compute_feed_forward_bytes_total",
          "Hidden states passed between an attention worker and feed-forward workers, both ways: "
          "tokens x layers x hidden x 8.",
          at("shard", i), figures.feed_forward_rows[i].as_double());
  }
}

void SnapshotGauges::SetBilling(const BillingFigures& figures) {
  const auto count = [&](const char* name, const char* help, uint64_t total) {
    Count(name, help, {}, static_cast<double>(total));
  };
  count("waferline_billing_records_total", "Pieces of work that the usage database committed.",
        figures.records);
  count("waferline_billing_commits_total", "Commits of the usage database.", figures.commits);
  count("waferline_billing_retries_total", "Groups of records that were written again.",
        figures.retries);
  count("waferline_billing_in_doubt_total", "Of them, commits whose answer was lost.",
        figures.in_doubt);
  count("waferline_billing_overdue_total", "Answers whose end was not confirmed in time.",
        figures.overdue);
  count("waferline_billing_failed_total", "Records that the database refuses for good.",
        figures.failed);
  count("waferline_billing_interrupted_total",
        "Records of servers that died, settled at this one's start.", figures.interrupted);
  count("waferline_billing_unconfirmed_total",
        "Posted records of servers that died whose answer was perhaps not sent, found at this "
        "one's start.",
        figures.unconfirmed);
  Count("waferline_billing_commit_seconds_total", "Time in commits of the usage database.", {},
        ToSeconds(figures.commit_time));
  Put("waferline_billing_queue", "Records that wait for the usage database.", {},
      static_cast<double>(figures.queue));
}

// Imbalance: what the busiest expert computed over what all did on average; 1 is even. 0 before
// anything was computed.
void SnapshotGauges::SetExperts(const ComputeFigures& figures) {
  double sum = 0, largest = 0;
  for (size_t e = 0; e < figures.expert_tokens.size(); ++e) {
    const auto tokens = static_cast<double>(figures.expert_tokens[e]);
    Count("waferline_expert_tokens_total",
          "Tokens that an expert computed in decode steps, added up over the layers.",
          {{"model_name", figures.model}, {"expert", absl::StrCat(e)}}, tokens);
    sum += tokens;
    largest = std::max(largest, tokens);
  }
  if (figures.expert_tokens.empty()) return;
  for (size_t i = 0; i < figures.expert_rows.size(); ++i) {
    Count("waferline_compute_expert_bytes_total",
          "Hidden states passed from a shard to workers that have experts of its layers; as many "
          "come back.",
          {{"model_name", figures.model}, {"shard", absl::StrCat(i)}},
          figures.expert_rows[i].as_double());
  }
  const double mean = sum / static_cast<double>(figures.expert_tokens.size());
  Put("waferline_expert_load_imbalance",
      "Tokens of the busiest expert over the average of all since the start; 1 is even.",
      {{"model_name", figures.model}}, sum > 0 ? largest / mean : 0);
}

void SnapshotGauges::Set(const engine::EngineSnapshot& snapshot, const HostFigures& host,
                         const std::vector<std::string>& names) {
  wanted_ = names;
  Put("waferline_emulated_now_seconds", "Emulated time since the start.", {},
      ToSeconds(snapshot.now));
  Put("waferline_requests_in_flight", "Requests that are admitted and have not ended.", {},
      static_cast<double>(snapshot.in_flight));
  Put("waferline_draining", "1 if no new requests are taken.", {}, snapshot.draining ? 1 : 0);
  Put("waferline_blocked", "1 while emulated time stands still, waiting for a value or a reader.",
      {}, snapshot.blocked ? 1 : 0);
  Put("waferline_host_engine_progress_age_seconds",
      "Wall time since the engine's thread last ended a turn.", {},
      ToSeconds(host.engine_progress_age));
  Put("waferline_host_http_connections", "Open HTTP connections.", {},
      static_cast<double>(host.http_connections));
  Put("waferline_host_grpc_connections", "Open gRPC connections.", {},
      static_cast<double>(host.grpc_connections));
  SetSpans(host.spans);
  if (host.certificate_expires) SetCertificate(*host.certificate_expires);
  for (const HostFigures::Blocked& blocked : host.blocked) {
    Put("waferline_host_model_blocked_seconds",
        "Wall time for which a model's emulated time has stood still by now, waiting for a value.",
        {{"model_name", blocked.model}}, ToSeconds(blocked.age));
  }
  if (host.cell) SetCell(*host.cell);
  for (const KvEventFigures& publisher : host.kv_events) SetKvEvents(publisher);
  if (host.billing) SetBilling(*host.billing);
  for (const engine::LaneSnapshot& lane : snapshot.lanes) SetLane(lane);
  for (const ComputeFigures& figures : host.compute) {
    SetCompute(figures);
    SetExperts(figures);
  }
}

void SnapshotGauges::SetLane(const engine::LaneSnapshot& lane) {
  const std::string& model = lane.model;
  const auto phase = [&](const char* name, uint32_t count) {
    Put("waferline_requests", "Requests by where they are.",
        {{"model_name", model}, {"phase", name}}, count);
  };
  phase("waiting", lane.waiting_total());
  phase("prefilling", lane.prefilling);
  phase("transferring", lane.transferring);
  phase("decoding", lane.decoding);
  phase("parked", lane.parked);
  Put("waferline_emulated_expected_queue_seconds",
      "Time that a new request would wait; +Inf: none can be served now, and /ready says why.",
      {{"model_name", model}},
      lane.expected_queue ? ToSeconds(*lane.expected_queue)
                          : std::numeric_limits<double>::infinity());

  const Labels vllm = {{"model_name", model}};
  Put("vllm:num_requests_running", "Requests that are prefilled, transferred or decoded.", vllm,
      lane.prefilling + lane.transferring + lane.decoding);
  Put("vllm:num_requests_waiting", "Requests that wait for prefill.", vllm, lane.waiting_total());
  Put("vllm:kv_cache_usage_perc", "Share of KV pages that sequences hold, 0 to 1.", vllm,
      lane.kv_usage());

  for (const engine::WorkerSnapshot& worker : lane.workers) {
    const Labels labels = {{"model_name", model}, {"worker", worker.name}};
    Put("waferline_prefill_pending_tokens", "Prompt tokens that a prefill worker has yet to do.",
        labels, static_cast<double>(worker.pending_tokens));
    Put("waferline_prefill_worker_alive", "0 if the worker is lost.", labels, worker.alive ? 1 : 0);
    Put("waferline_prefill_worker_slowdown", "By faults: steps take so many times as long.", labels,
        worker.slowdown);
  }
  for (const engine::UnitSnapshot& unit : lane.units) SetUnit(model, unit, lane.now);
}

void SnapshotGauges::SetUnit(const std::string& model, const engine::UnitSnapshot& unit,
                             Nanoseconds now) {
  const Labels labels = {{"model_name", model}, {"unit", unit.name}};
  const auto with = [&](const char* key, std::string value) {
    Labels more = labels;
    more[key] = std::move(value);
    return more;
  };
  Put("waferline_unit_alive", "0 if the decode unit is lost.", labels, unit.alive ? 1 : 0);
  Put("waferline_unit_reachable",
      "0 if a hand-off stood still on its link, until that is repaired.", labels,
      unit.reachable ? 1 : 0);
  double slowest_stage = 1;
  for (const double stage : unit.slow_stages) slowest_stage = std::max(slowest_stage, stage);
  Put("waferline_unit_slowdown",
      "By faults: beats take so many times as long, by the unit and its slowest stage.", labels,
      unit.slowdown * slowest_stage);
  Put("waferline_unit_link_speed", "By faults: share of its bandwidth that the link has left.",
      labels, unit.link_speed);
  Put("waferline_unit_sequences", "Sequences that hold a slot of the decode unit.", labels,
      unit.running);
  Put("waferline_unit_slots", "Slots of the decode unit.", labels, unit.max_running);
  Put("waferline_kv_handoff_backlog_bytes", "KV bytes on their way to the decode unit.", labels,
      unit.link_backlog.as_double());
  const int64_t free_pages = unit.pages_capacity - unit.pages_used - unit.pages_cached;
  constexpr char kPages[] = "waferline_kv_pages";
  const auto pages = [&](const char* owner, int64_t count) {
    if (!Wants(kPages)) return;
    Put(kPages, "KV pages of the decode unit, by owner.", with("owner", owner),
        static_cast<double>(count));
  };
  pages("sequences", unit.pages_used);
  pages("prefix_cache", unit.pages_cached);
  pages("free", free_pages);

  SetStages(labels, unit, now);
  if (unit.sides.has_value()) SetSides(labels, *unit.sides, now);
}

void SnapshotGauges::SetSides(const Labels& labels, const engine::SideState& sides,
                              Nanoseconds now) {
  constexpr const char* kNames[kSides] = {"attention", "ffn", "link"};
  for (size_t i = 0; i < kSides; ++i) {
    Labels side = labels;
    side["side"] = kNames[i];
    const double busy = ToSeconds(sides.busy[i]);
    Count("waferline_emulated_side_busy_seconds_total",
          "Emulated time for which a side of a split decode unit, or its link, worked.", side,
          busy);
    // A step that has begun is booked in full at once.
    const double share = now > Nanoseconds(0) ? busy / ToSeconds(now) : 0;
    Put("waferline_side_idle_ratio",
        "Share of the emulated time since the start in which a side of a split unit was idle.",
        side, std::clamp(1 - share, 0.0, 1.0));
    Put("waferline_side_slowdown",
        "By faults: a side of a split unit, or sending between them, takes so many times as long.",
        side, sides.slowdown[i]);
  }
  Count("waferline_side_link_bytes_total",
        "Hidden states that crossed between the sides of a split decode unit.", labels,
        sides.crossed.as_double());
}

}  // namespace waferline::metrics
