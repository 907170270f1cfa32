// A load report as JSON and as text.
#include <fmt/format.h>

#include <boost/json.hpp>

#include "client/load/load_report.h"
#include "wafer_backend/base/strings.h"

namespace waferline::load {
namespace {

namespace json = boost::json;

void Add(json::object& object, const std::string& name, const SampleSummary& summary) {
  object["mean_" + name] = summary.mean;
  object["median_" + name] = summary.median;
  object["std_" + name] = summary.std;
  object["p90_" + name] = summary.p90;
  object["p95_" + name] = summary.p95;
  object["p99_" + name] = summary.p99;
}

std::string Row(const char* name, const SampleSummary& summary) {
  return fmt::format("{:<24} {:10.3f} {:10.3f} {:10.3f} {:10.3f} {:10.3f}\n", name, summary.mean,
                     summary.median, summary.p90, summary.p99, summary.max);
}

// Latencies, where any request was completed.
std::string Table(const LoadReport& report) {
  std::string text = fmt::format("\n{:<24} {:>10} {:>10} {:>10} {:>10} {:>10}\n", "milliseconds",
                                 "mean", "median", "p90", "p99", "max");
  text += Row("time to first token", report.ttft_ms);
  text +=
      Row(report.counts_tokens ? "time per output token" : "time per output chunk", report.tpot_ms);
  text += Row(report.gaps_per_token ? "between tokens" : "between chunks", report.itl_ms);
  text += Row("end to end", report.e2el_ms);
  text += Row("first, from schedule", report.ttft_from_schedule_ms);
  text += Row("end, from schedule", report.e2el_from_schedule_ms);
  text += Row("client's lag", report.client_lag_ms);
  if (report.emulated_ttft_ms) text += Row("emulated: first token", *report.emulated_ttft_ms);
  if (report.emulated_tpot_ms) text += Row("emulated: per token", *report.emulated_tpot_ms);
  if (report.emulated_e2el_ms) text += Row("emulated: end to end", *report.emulated_e2el_ms);
  return text;
}

}  // namespace

json::object ToJson(const LoadReport& report) {
  json::object object{
      {"duration", report.duration_s},
      {"completed", report.completed},
      {"failed", report.failed},
      {"cancelled", report.cancelled},
      {"cut", report.cut},
      {"total_input_tokens", json::value_from(report.input_tokens)},
      {"total_output_tokens", report.output_tokens},
      {"output_counts", report.counts_tokens ? "tokens" : "chunks"},
      {"request_throughput", report.request_throughput},
      {"output_throughput", report.output_throughput},
      {"total_token_throughput", json::value_from(report.total_token_throughput)},
  };
  object["max_concurrent_requests"] = report.peak_concurrency;
  object["max_output_tokens_per_s"] = report.peak_tokens_per_s;
  if (report.request_goodput) object["request_goodput"] = *report.request_goodput;
  Add(object, "ttft_ms", report.ttft_ms);
  Add(object, "tpot_ms", report.tpot_ms);
  Add(object, "itl_ms", report.itl_ms);
  Add(object, "e2el_ms", report.e2el_ms);
  Add(object, "ttft_from_schedule_ms", report.ttft_from_schedule_ms);
  Add(object, "e2el_from_schedule_ms", report.e2el_from_schedule_ms);
  Add(object, "client_lag_ms", report.client_lag_ms);
  if (report.emulated_ttft_ms) Add(object, "emulated_ttft_ms", *report.emulated_ttft_ms);
  if (report.emulated_tpot_ms) Add(object, "emulated_tpot_ms", *report.emulated_tpot_ms);
  if (report.emulated_e2el_ms) Add(object, "emulated_e2el_ms", *report.emulated_e2el_ms);
  object["itl_counts"] = report.gaps_per_token ? "tokens" : "chunks";
  object["errors"] = json::value_from(report.errors);
  object["warnings"] = json::value_from(report.warnings);
  object["interrupted"] = report.interrupted;
  return object;
}

json::object DetailsOf(const LoadResult& result) {
  json::array inputs, outputs, starts, firsts, gaps, errors;
  for (const RequestRecord& record : result.records) {
    inputs.emplace_back(record.prompt_tokens.value_or(0));
    outputs.emplace_back(record.arrivals.empty() ? 0 : TokensOf(record));
    starts.emplace_back(ToSeconds(record.sent));
    firsts.emplace_back(record.arrivals.empty() ? 0.0 : ToSeconds(TimeToFirstToken(record)));
    json::array& own = gaps.emplace_back(json::array()).get_array();
    for (const Nanoseconds gap : TokenGaps(record)) own.emplace_back(ToSeconds(gap));
    errors.emplace_back(std::string(Std(record.status.message())));
  }
  return {{"input_lens", std::move(inputs)},  {"output_lens", std::move(outputs)},
          {"start_times", std::move(starts)}, {"ttfts", std::move(firsts)},
          {"itls", std::move(gaps)},          {"errors", std::move(errors)}};
}

json::object ToJson(const RequestRecord& record) {
  json::object object{{"index", record.index},
                      {"scheduled_s", ToSeconds(record.scheduled)},
                      {"sent_s", ToSeconds(record.sent)},
                      {"ended_s", ToSeconds(record.ended)},
                      {"ok", record.ok()}};
  if (record.cut) object["cut"] = true;
  if (record.cancelled) object["cancelled"] = true;
  if (!record.status.ok()) {
    object["code"] = absl::StatusCodeToString(record.status.code());
    object["error"] = std::string(Std(record.status.message()));
  }
  if (!record.finish_reason.empty()) object["finish_reason"] = record.finish_reason;
  if (record.prompt_tokens) object["prompt_tokens"] = *record.prompt_tokens;
  object["completion_tokens"] = TokensOf(record);
  if (record.arrivals.empty()) return object;
  object["ttft_ms"] = Ms(TimeToFirstToken(record));
  object["e2el_ms"] = Ms(EndToEnd(record));
  object["ttft_from_schedule_ms"] = Ms(record.arrivals.front().at - record.scheduled);
  if (const auto tpot = TimePerOutputToken(record)) object["tpot_ms"] = Ms(*tpot);
  json::array gaps;
  for (const Nanoseconds gap : TokenGaps(record)) gaps.emplace_back(Ms(gap));
  object["itl_ms"] = std::move(gaps);
  if (!record.instants.empty()) {
    json::array emulated, came;
    for (const auto& [instant, at] : record.instants) {
      emulated.emplace_back(Ms(instant));
      came.emplace_back(Ms(at));
    }
    object["emulated_token_ms"] = std::move(emulated);
    object["token_ms"] = std::move(came);
  }
  if (record.emulated_first) object["emulated_ttft_ms"] = Ms(*record.emulated_first);
  if (record.emulated_last) object["emulated_e2el_ms"] = Ms(*record.emulated_last);
  return object;
}

std::string ToText(const LoadReport& report) {
  std::string text = fmt::format(
      "requests   {} completed, {} failed{}{} in {:.2f} s: {:.2f} a second\n"
      "{:<10} {} in, {} out: {:.1f} out a second, {} in all\n",
      report.completed, report.failed,
      report.cancelled > 0 ? fmt::format(", {} cancelled", report.cancelled) : "",
      report.cut > 0 ? fmt::format(", {} cut short", report.cut) : "", report.duration_s,
      report.request_throughput, report.counts_tokens ? "tokens" : "chunks",
      report.input_tokens ? fmt::to_string(*report.input_tokens) : "unknown", report.output_tokens,
      report.output_throughput,
      report.total_token_throughput ? fmt::format("{:.1f}", *report.total_token_throughput)
                                    : "unknown");
  if (report.request_goodput) {
    text += fmt::format("goodput    {:.2f} good requests a second\n", *report.request_goodput);
  }
  if (report.completed > 0) text += Table(report);
  for (const auto& [message, count] : report.errors) {
    text += fmt::format("error      {} x {}\n", count, message);
  }
  return text;
}

}  // namespace waferline::load
