#include "client/load/load_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "wafer_backend/base/strings.h"

namespace waferline::load {
namespace {

// The client counts as late if its lag would show in the first token's latency.
constexpr double kLagShare = 0.1;
constexpr double kLagFloorMs = 1.0;

std::string LagWarning(const SampleSummary& lag, const SampleSummary& ttft, bool bounded) {
  if (lag.p99 <= std::max(kLagFloorMs, kLagShare * ttft.median)) return "";
  if (bounded) {
    return fmt::format(
        "requests waited for a place: p99 {:.1f} ms; the *_from_schedule latencies include that",
        lag.p99);
  }
  return fmt::format(
      "the client was late: p99 {:.1f} ms behind its schedule (median TTFT {:.1f} ms); trust the "
      "*_from_schedule latencies only, or use a faster client",
      lag.p99, ttft.median);
}

// What is measured of each request, in milliseconds.
struct Samples {
  std::vector<double> ttft, tpot, itl, e2el, ttft_due, e2el_due, lag;
  std::vector<double> emulated_ttft, emulated_tpot, emulated_e2el;

  void Add(const RequestRecord& record) {
    const double waited = Ms(record.sent - record.scheduled);
    ttft.push_back(Ms(TimeToFirstToken(record)));
    e2el.push_back(Ms(EndToEnd(record)));
    ttft_due.push_back(ttft.back() + waited);
    e2el_due.push_back(e2el.back() + waited);
    if (const auto value = TimePerOutputToken(record)) tpot.push_back(Ms(*value));
    for (const Nanoseconds gap : TokenGaps(record)) itl.push_back(Ms(gap));
    if (record.emulated_first) emulated_ttft.push_back(Ms(*record.emulated_first));
    if (record.emulated_last) emulated_e2el.push_back(Ms(*record.emulated_last));
    const uint64_t tokens = TokensOf(record);
    if (record.emulated_first && record.emulated_last && tokens > 1) {
      emulated_tpot.push_back(Ms(*record.emulated_last - *record.emulated_first) /
                              static_cast<double>(tokens - 1));
    }
  }

  void Summarise(LoadReport* report) && {
    report->ttft_ms = Summarize(std::move(ttft));
    report->tpot_ms = Summarize(std::move(tpot));
    report->itl_ms = Summarize(std::move(itl));
    report->e2el_ms = Summarize(std::move(e2el));
    report->ttft_from_schedule_ms = Summarize(std::move(ttft_due));
    report->e2el_from_schedule_ms = Summarize(std::move(e2el_due));
    report->client_lag_ms = Summarize(std::move(lag));
    if (!emulated_ttft.empty()) report->emulated_ttft_ms = Summarize(std::move(emulated_ttft));
    if (!emulated_tpot.empty()) report->emulated_tpot_ms = Summarize(std::move(emulated_tpot));
    if (!emulated_e2el.empty()) report->emulated_e2el_ms = Summarize(std::move(emulated_e2el));
  }
};

// A completed request's tokens.
void Count(const RequestRecord& record, LoadReport* report) {
  ++report->completed;
  if (!record.prompt_tokens) report->input_tokens.reset();
  if (report->input_tokens) *report->input_tokens += *record.prompt_tokens;
  report->counts_tokens = report->counts_tokens && KnowsTokens(record);
  report->output_tokens += TokensOf(record);
  report->gaps_per_token = report->gaps_per_token && CountsTokens(record);
}

void AddPeaks(const LoadResult& result, LoadReport* report) {
  std::vector<std::pair<int64_t, int>> changes;  // ends before what begins at the same instant
  std::map<int64_t, uint64_t> of_second;
  Nanoseconds first;
  for (size_t i = 0; i < result.records.size(); ++i) {
    first = i == 0 ? result.records[i].sent : std::min(first, result.records[i].sent);
  }
  for (const RequestRecord& record : result.records) {
    changes.emplace_back(record.sent.count(), 1);
    changes.emplace_back(record.ended.count(), -1);
    for (const Arrival& arrival : record.arrivals) {
      of_second[(arrival.at - first).count() / 1'000'000'000] += std::max(arrival.tokens, 1u);
    }
  }
  std::sort(changes.begin(), changes.end());
  int now = 0;
  for (const auto& [at, change] : changes) {
    now += change;
    report->peak_concurrency = std::max(report->peak_concurrency, static_cast<uint32_t>(now));
  }
  for (const auto& [second, tokens] : of_second) {
    report->peak_tokens_per_s = std::max(report->peak_tokens_per_s, tokens);
  }
}

void AddWarnings(bool bounded, LoadReport* report) {
  const std::string late = LagWarning(report->client_lag_ms, report->ttft_ms, bounded);
  if (!late.empty()) report->warnings.push_back(late);
  if (!report->counts_tokens) {
    report->warnings.push_back(
        "the server sends no usage: output, tpot and itl count chunks, which may hold several "
        "tokens");
  } else if (!report->gaps_per_token && report->completed > 0) {
    report->warnings.push_back(
        "the server does not say how many tokens a chunk holds: itl is per chunk");
  }
  if (!report->input_tokens) {
    report->warnings.push_back("the server does not say how many tokens the prompts have");
  }
  if (report->interrupted) report->warnings.push_back("the run was interrupted");
}

}  // namespace

bool IsGood(const RequestRecord& record, const LatencyObjectives& objectives) {
  return record.ok() &&
         objectives.Met(TimeToFirstToken(record),
                        TimePerOutputToken(record).value_or(Nanoseconds()), EndToEnd(record));
}

double PaceOf(const LoadResult& result) {
  std::vector<Nanoseconds> due, ended;
  for (const RequestRecord& record : result.records) {
    due.push_back(record.scheduled);
    if (record.ok()) ended.push_back(record.ended);
  }
  if (ended.size() < 2) return 0;
  const auto span = [](const std::vector<Nanoseconds>& instants) {
    const auto [first, last] = std::minmax_element(instants.begin(), instants.end());
    return std::max(ToSeconds(*last - *first), 1e-9);
  };
  const double completed = static_cast<double>(ended.size()) / static_cast<double>(due.size());
  return std::min(completed * span(due) / span(ended), 1.0);
}

LoadReport Evaluate(const LoadResult& result, const LatencyObjectives& objectives, bool bounded) {
  LoadReport report{.duration_s = ToSeconds(result.duration), .interrupted = result.interrupted};
  Samples samples;
  uint64_t good = 0;
  for (const RequestRecord& record : result.records) {
    samples.lag.push_back(Ms(record.sent - record.scheduled));
    if (record.cut) {
      ++report.cut;
      continue;
    }
    if (record.cancelled) {
      ++report.cancelled;
      continue;
    }
    if (!record.ok()) {
      ++report.failed;
      ++report.errors[record.status.ok() ? "the answer is empty"
                                         : std::string(Std(record.status.message()))];
      continue;
    }
    good += IsGood(record, objectives);
    Count(record, &report);
    samples.Add(record);
  }
  const double seconds = std::max(report.duration_s, 1e-9);
  report.request_throughput = static_cast<double>(report.completed) / seconds;
  report.output_throughput = static_cast<double>(report.output_tokens) / seconds;
  if (report.input_tokens && report.counts_tokens) {
    report.total_token_throughput =
        static_cast<double>(*report.input_tokens + report.output_tokens) / seconds;
  }
  if (objectives.any()) report.request_goodput = static_cast<double>(good) / seconds;
  std::move(samples).Summarise(&report);
  AddPeaks(result, &report);
  AddWarnings(bounded, &report);
  return report;
}

}  // namespace waferline::load
