#include "client/cli/serving/load_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "client/cli/charts/line_chart.h"
#include "client/cli/charts/page.h"
#include "scheduler/simulator/report_json.h"

namespace waferline::cli {
namespace {

using Row = std::vector<std::string>;
constexpr size_t kMaxPoints = 400;        // of a line
constexpr double kMinSlotSeconds = 0.05;  // of a timeline: shorter ones show each write of a socket

Row LatencyRow(const char* name, const SampleSummary& summary) {
  Row row = {name};
  for (const double value : {summary.mean, summary.median, summary.p90, summary.p99, summary.max}) {
    row.push_back(fmt::format("{:.3f}", value));
  }
  return row;
}

// The share of the samples that are at most x, in per cent.
std::vector<Point> Distribution(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  std::vector<Point> points;
  const size_t step = std::max<size_t>(1, samples.size() / kMaxPoints);
  for (size_t i = 0; i < samples.size(); i += step) {
    points.push_back(
        {samples[i], 100.0 * static_cast<double>(i + 1) / static_cast<double>(samples.size())});
  }
  if (!samples.empty()) points.push_back({samples.back(), 100.0});
  return points;
}

struct Latencies {
  std::vector<double> first, emulated_first, gap, end, emulated_end;
};

Latencies LatenciesOf(const load::LoadResult& result) {
  Latencies out;
  for (const load::RequestRecord& record : result.records) {
    if (record.cut || !record.ok()) continue;
    out.first.push_back(load::Ms(load::TimeToFirstToken(record)));
    out.end.push_back(load::Ms(load::EndToEnd(record)));
    for (const Nanoseconds gap : load::TokenGaps(record)) out.gap.push_back(load::Ms(gap));
    if (record.emulated_first) out.emulated_first.push_back(load::Ms(*record.emulated_first));
    if (record.emulated_last) out.emulated_end.push_back(load::Ms(*record.emulated_last));
  }
  return out;
}

// Tokens a second in equal stretches of the run, and requests in flight in the middle of each.
struct LoadTimeline {
  std::vector<Point> tokens, in_flight;
};

LoadTimeline TimelineOf(const load::LoadResult& result) {
  Nanoseconds last;
  for (const load::RequestRecord& record : result.records) last = std::max(last, record.ended);
  const double length = std::max(ToSeconds(last), 1e-9);
  const auto slots = static_cast<size_t>(std::clamp(length / kMinSlotSeconds, 10.0, 120.0));
  const double width = length / static_cast<double>(slots);
  std::vector<double> tokens(slots), open(slots);
  const auto slot_of = [&](Nanoseconds at) {
    return std::min(slots - 1, static_cast<size_t>(std::max(0.0, ToSeconds(at) / width)));
  };
  for (const load::RequestRecord& record : result.records) {
    for (const load::Arrival& arrival : record.arrivals) {
      tokens[slot_of(arrival.at)] += std::max<uint32_t>(1, arrival.tokens);
    }
    for (size_t i = slot_of(record.sent); i <= slot_of(record.ended); ++i) {
      const double middle = (static_cast<double>(i) + 0.5) * width;
      if (ToSeconds(record.sent) <= middle && middle < ToSeconds(record.ended)) ++open[i];
    }
  }
  LoadTimeline out;
  for (size_t i = 0; i < slots; ++i) {
    const double at = (static_cast<double>(i) + 0.5) * width;
    out.tokens.push_back({at, tokens[i] / width});
    out.in_flight.push_back({at, open[i]});
  }
  return out;
}

void AddSummary(const load::LoadReport& report, Page* page) {
  const auto rate = [](std::optional<double> value) {
    return value ? fmt::format("{:.2f}", *value) : std::string("unknown");
  };
  std::vector<Row> rows = {
      {"requests completed", fmt::format("{}", report.completed)},
      {"failed", fmt::format("{}", report.failed)},
      {"cancelled, as asked for", fmt::format("{}", report.cancelled)},
      {"cut short by the client", fmt::format("{}", report.cut)},
      {"seconds", fmt::format("{:.2f}", report.duration_s)},
      {"requests a second", rate(report.request_throughput)},
      {report.counts_tokens ? "output tokens a second" : "output chunks a second",
       rate(report.output_throughput)},
      {"tokens a second, input included", rate(report.total_token_throughput)}};
  if (report.request_goodput) {
    rows.push_back({"good requests a second", rate(report.request_goodput)});
  }
  page->Heading("Summary");
  page->Table({"", ""}, rows);
  for (const std::string& warning : report.warnings) page->Paragraph("Warning: " + warning);
}

void AddLatencies(const load::LoadReport& report, Page* page) {
  std::vector<Row> rows = {
      LatencyRow("time to first token", report.ttft_ms),
      LatencyRow("time per output token", report.tpot_ms),
      LatencyRow(report.gaps_per_token ? "between tokens" : "between chunks", report.itl_ms),
      LatencyRow("end to end", report.e2el_ms),
      LatencyRow("first token, from schedule", report.ttft_from_schedule_ms),
      LatencyRow("end, from schedule", report.e2el_from_schedule_ms),
      LatencyRow("client's lag", report.client_lag_ms)};
  const auto add = [&rows](const char* name, const std::optional<SampleSummary>& summary) {
    if (summary) rows.push_back(LatencyRow(name, *summary));
  };
  add("emulated: first token", report.emulated_ttft_ms);
  add("emulated: per token", report.emulated_tpot_ms);
  add("emulated: end to end", report.emulated_e2el_ms);
  page->Heading("Latencies, in milliseconds");
  page->Table({"", "mean", "median", "p90", "p99", "max"}, rows);
}

void AddDistribution(const char* title, const std::vector<double>& wall,
                     const std::vector<double>& emulated, Page* page) {
  LineChart chart{.title = title, .x_label = "milliseconds", .y_label = "% of samples up to x"};
  chart.series.push_back({.name = "wall", .points = Distribution(wall)});
  if (!emulated.empty()) {
    chart.series.push_back({.name = "emulated", .points = Distribution(emulated)});
  }
  page->Picture(DrawLines(chart), fmt::format("{} samples", wall.size()));
}

}  // namespace

std::string LoadPage(const LoadPageInput& input) {
  Page page(input.title);
  AddSummary(input.report, &page);
  if (input.report.completed > 0) {
    AddLatencies(input.report, &page);
    const Latencies all = LatenciesOf(input.result);
    page.Heading("Distributions");
    AddDistribution("Time to the first token", all.first, all.emulated_first, &page);
    AddDistribution("Between tokens", all.gap, {}, &page);
    AddDistribution("End to end", all.end, all.emulated_end, &page);
    const LoadTimeline timeline = TimelineOf(input.result);
    page.Heading("Over the run");
    page.Picture(DrawLines({.title = "Tokens a second",
                            .x_label = "seconds",
                            .y_label = "tokens a second",
                            .series = {{.name = "received", .points = timeline.tokens}}}),
                 "as the client received them");
    page.Picture(DrawLines({.title = "Requests in flight",
                            .x_label = "seconds",
                            .y_label = "requests",
                            .series = {{.name = "in flight", .points = timeline.in_flight}}}),
                 "sent and not ended");
  }
  if (!input.report.errors.empty()) {
    std::vector<Row> rows;
    for (const auto& [message, count] : input.report.errors) {
      rows.push_back({fmt::format("{}", count), message});
    }
    page.Heading("Errors");
    page.Table({"requests", "message"}, rows);
  }
  page.Heading("Receipt");
  page.Document("What ran, and every figure, as JSON", simulator::Pretty(input.receipt));
  return page.Finish();
}

}  // namespace waferline::cli
