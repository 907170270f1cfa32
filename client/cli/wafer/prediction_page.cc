#include "client/cli/wafer/prediction_page.h"

#include <fmt/format.h>

#include <vector>

#include "client/cli/charts/charts.h"
#include "client/cli/charts/page.h"

namespace waferline::cli {
namespace {

using Row = std::vector<std::string>;
using placement::Estimate;
using placement::Prediction;

Row FigureRow(const char* name, const Estimate& e, const char* unit) {
  return {name, fmt::format("{:.5g}", e.value), fmt::format("{:.5g}", e.low),
          fmt::format("{:.5g}", e.high), unit};
}

PartsChart LatencyChart(const Prediction& p) {
  const placement::LatencyParts& l = p.latency;
  return {.title = "Where the time of a pass goes",
          .x_label = "microseconds",
          .part_names = {"start", "allreduces", "weights", "attention", "embedding and output",
                         "region hops", "wafer hops", "drafting"},
          .bars = {{.label = "one pass",
                    .parts = {1e6 * l.start, 1e6 * l.allreduces, 1e6 * l.weights, 1e6 * l.attention,
                              1e6 * l.embedding_and_output, 1e6 * l.region_hops, 1e6 * l.wafer_hops,
                              1e6 * l.drafting}}}};
}

TornadoChart InfluenceChart(const Prediction& p) {
  TornadoChart chart{.title = "What moves one user's tokens/s",
                     .x_label = "tokens/s of one user",
                     .base = p.tokens_per_second.value,
                     .swings = {}};
  for (const placement::Influence& influence : p.influences) {
    if (influence.at_low == influence.at_high) continue;  // watts and prices
    chart.swings.push_back(
        {influence.parameter, "low", "high", influence.at_low, influence.at_high});
  }
  return chart;
}

}  // namespace

std::string PredictionPage(const ModelOnWafers& it, const Prediction& p) {
  Page page(it.Title(p.wafers));
  page.Paragraph(it.Load());
  page.Paragraph(fmt::format(
      "{:.1f} GB of weights on {} stages; {} users before they slow each other, KV of {} fits.",
      p.weight_gigabytes, p.stages, p.users_before_slowdown, p.users_by_memory));
  page.Heading("Figures");
  page.Table(
      {"", "value", "low", "high", "unit"},
      {FigureRow("one user", p.tokens_per_second, "tokens/s"),
       FigureRow("these users together", p.aggregate_per_second, "tokens/s"),
       FigureRow("as many users as fit and do not slow each other", p.full_per_second, "tokens/s"),
       FigureRow("time to first token, prefill on the wafer", p.ttft_wafer_ms, "ms"),
       FigureRow("whole request on the wafer", p.request_total_ms, "ms"),
       FigureRow("answer over whole request", p.end_to_end_per_second, "tokens/s"),
       FigureRow("power", p.watts, "W"), FigureRow("energy of a token", p.joules_per_token, "J"),
       FigureRow("cost of a million tokens", p.usd_per_million_tokens, "USD")});
  page.Heading("Where the time goes, and what moves it");
  page.Picture(DrawParts(LatencyChart(p)), fmt::format("slowest stage {:.2f} us", p.stage_us));
  page.Picture(DrawTornado(InfluenceChart(p)),
               "each parameter at the ends of its interval, the others at their values");
  std::vector<Row> rows;
  for (const placement::DevicePrefill& d : p.prefill) {
    rows.push_back({fmt::format("{} x {}", d.devices, d.device), fmt::format("{:.2f}", d.ttft_ms),
                    fmt::format("{:.2f}", d.kv_transfer_ms), fmt::format("{:.1f}", d.joules)});
  }
  page.Heading("Prefill on accelerators");
  page.Table({"on", "first token, ms", "KV transfer, ms", "energy, J"}, rows);
  return page.Finish();
}

}  // namespace waferline::cli
