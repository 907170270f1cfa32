#include "client/cli/sim/sim_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <vector>

#include "client/cli/charts/line_chart.h"
#include "client/cli/charts/page.h"
#include "client/cli/frame/output.h"
#include "scheduler/simulator/report_json.h"

namespace waferline::cli {
namespace {

using Row = std::vector<std::string>;

double Ms(Nanoseconds duration) { return duration.as_double() * 1e-6; }

void AddSummary(const simulator::Report& r, Page* page) {
  std::vector<Row> rows = {
      {"requests offered", fmt::format("{}", r.requests)},
      {"completed", fmt::format("{}", r.completed)},
      {"refused", fmt::format("{}", r.refused_total())},
      {"deadline missed, cancelled, failed",
       fmt::format("{}, {}, {}", r.deadline_missed, r.cancelled, r.failed)},
      {"emulated seconds", fmt::format("{:.2f}", r.seconds())},
      {"output tokens a second",
       fmt::format("{:.1f}", static_cast<double>(r.output_tokens) / std::max(1e-9, r.seconds()))}};
  if (r.has_objectives) {
    rows.push_back({"met the objectives", fmt::format("{}", r.met_objectives)});
  }
  if (r.energy_joules() > 0) {
    rows.push_back({"energy", fmt::format("{:.3f} kWh", r.energy_joules() / 3.6e6)});
    rows.push_back({"cost", Dollars(r.cost_usd()) + " USD"});
  }
  page->Heading("Summary");
  page->Table({"", ""}, rows);
}

struct Latency {
  const char* name;
  const LogHistogram& histogram;
};

void AddLatencies(const std::vector<Latency>& all, Page* page) {
  std::vector<Row> rows;
  for (const Latency& each : all) {
    Row row = {each.name, fmt::format("{:.4f}", each.histogram.mean_ns() * 1e-6)};
    for (const double share : {0.5, 0.9, 0.99}) {
      row.push_back(fmt::format("{:.4f}", Ms(each.histogram.Percentile(share))));
    }
    row.push_back(fmt::format("{:.4f}", Ms(each.histogram.max())));
    rows.push_back(std::move(row));
  }
  page->Heading("Latencies, in emulated milliseconds");
  page->Table({"", "mean", "p50", "p90", "p99", "max"}, rows);
}

// The share of the samples that are at most x, in per cent.
void AddDistribution(const char* title, const LogHistogram& histogram, Page* page) {
  if (histogram.count() == 0) return;
  LineChart::Series series{.name = title};
  for (int percent = 1; percent <= 100; ++percent) {
    series.points.push_back({Ms(histogram.Percentile(percent / 100.0)), double(percent)});
  }
  page->Picture(DrawLines({.title = title,
                           .x_label = "emulated milliseconds",
                           .y_label = "% of samples up to x",
                           .series = {std::move(series)}}),
                fmt::format("{} samples", histogram.count()));
}

void AddDevices(const simulator::Report& r, Page* page) {
  std::vector<Row> rows;
  for (const simulator::DeviceUse& device : r.devices) {
    rows.push_back({device.name, device.kind, fmt::format("{:.2f}", 100 * device.busy_share),
                    fmt::format("{:.1f}", 100 * device.kv_share),
                    fmt::format("{:.1f}", 100 * device.max_kv_share),
                    fmt::format("{}", device.tokens)});
  }
  page->Heading("Devices");
  page->Table({"device", "kind", "busy, %", "KV, %", "KV at most, %", "tokens"}, rows);
}

}  // namespace

std::string SimPage(const simulator::OfflineResult& run) {
  const simulator::Report& r = run.raw;
  Page page("A simulated run");
  for (const auto& label : run.report.at("fleet").as_array()) {
    page.Paragraph(std::string(label.as_string().c_str()));
  }
  for (const std::string& note : run.notes) page.Paragraph("Note: " + note);
  AddSummary(r, &page);
  AddLatencies({{"time to first token", r.ttft},
                {"between tokens", r.inter_token},
                {"per output token", r.tpot},
                {"end to end", r.e2e},
                {"queue", r.queue},
                {"prefill", r.prefill},
                {"hand-off", r.transfer},
                {"decode", r.decode}},
               &page);
  page.Heading("Distributions");
  AddDistribution("Time to the first token", r.ttft, &page);
  AddDistribution("Between tokens", r.inter_token, &page);
  AddDistribution("End to end", r.e2e, &page);
  AddDevices(r, &page);
  page.Heading("Receipt");
  page.Document("What ran, as JSON", simulator::Pretty(run.report.at("receipt").as_object()));
  return page.Finish();
}

}  // namespace waferline::cli
