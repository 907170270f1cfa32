// What a load run measured, under the names that vLLM's `bench serve` uses in its JSON, so that
// existing plots and comparisons read it; what is our own has a name of its own. Pure.
#pragma once

#include <boost/json/object.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "client/load/load_run.h"
#include "wafer_backend/base/latency_objectives.h"
#include "wafer_backend/base/sample_summary.h"

namespace waferline::load {

// Whether it was answered within all of these.
bool IsGood(const RequestRecord& record, const LatencyObjectives& objectives);

struct LoadReport {
  uint64_t completed = 0;
  uint64_t failed = 0;
  uint64_t cancelled = 0;  // the client disconnected on purpose
  uint64_t cut = 0;        // the client ended them with its run
  double duration_s = 0;
  std::optional<uint64_t> input_tokens = 0;  // none: the server does not say
  uint64_t output_tokens = 0;
  bool counts_tokens = true;      // false: of some answers only chunks are known, and counted
  double request_throughput = 0;  // completed a second
  double output_throughput = 0;   // tokens a second
  std::optional<double> total_token_throughput;
  std::optional<double> request_goodput;
  // From send, of completed requests, in milliseconds.
  SampleSummary ttft_ms, tpot_ms, itl_ms, e2el_ms;
  // From when it should have been sent: a late client or a full server cannot hide here.
  SampleSummary ttft_from_schedule_ms, e2el_from_schedule_ms;
  // How late the client itself sent, for whatever reason.
  SampleSummary client_lag_ms;
  // By the emulated hardware's clock, where the server reports it.
  std::optional<SampleSummary> emulated_ttft_ms, emulated_tpot_ms, emulated_e2el_ms;
  uint32_t peak_concurrency = 0;   // requests at once
  uint64_t peak_tokens_per_s = 0;  // output of the busiest second since the first send
  bool gaps_per_token = true;      // false: some pieces' tokens could not be counted
  std::map<std::string, uint64_t> errors;
  std::vector<std::string> warnings;
  bool interrupted = false;
};

// How fast answers ended, as a share of how fast requests were due: 1 where the server keeps up,
// however long an answer takes and however short the run; less where a backlog grows, or where
// requests fail. 0: fewer than two were completed.
double PaceOf(const LoadResult& result);

// `bounded`: a request may have had to wait for a place, so lag is not the client's fault.
LoadReport Evaluate(const LoadResult& result, const LatencyObjectives& objectives, bool bounded);

boost::json::object ToJson(const LoadReport& report);
// One entry a request, as `vllm bench serve --save-detailed` has them: input_lens, output_lens,
// start_times, ttfts, itls (seconds), errors ("": none).
boost::json::object DetailsOf(const LoadResult& result);
// One line of a request log.
boost::json::object ToJson(const RequestRecord& record);
// A table for people.
std::string ToText(const LoadReport& report);

}  // namespace waferline::load
