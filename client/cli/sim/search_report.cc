#include "client/cli/sim/search_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "client/cli/charts/line_chart.h"
#include "client/cli/charts/page.h"
#include "client/cli/frame/output.h"

namespace waferline::cli {
namespace {

using Row = std::vector<std::string>;
using Rows = std::vector<Row>;

double LimitMs(const search::SloTerm& term) { return term.limit.as_double() * 1e-6; }

Row SizeCells(const search::FleetSize& size) {
  return {fmt::format("{:.2f}", size.usd_per_hour), fmt::format("{:.1f}", size.watts * 1e-3),
          fmt::format("{}", size.systems)};
}

// How the variants were dealt with.
std::string Account(const FoundFleet& found) {
  const search::SearchResult& result = found.result;
  std::string text = fmt::format(
      "{}: {} tried", Counted(static_cast<int64_t>(found.variants), "variant"), result.tried);
  if (result.costlier > 0)
    text += fmt::format(", {} cost no less than the answer", result.costlier);
  if (result.inferred > 0)
    text += fmt::format(", {} are smaller than one that failed", result.inferred);
  if (found.unbuildable > 0) text += fmt::format(", {} cannot be built", found.unbuildable);
  if (result.refuted) {
    text += "; a smaller fleet held after a larger one had failed, so every cheaper one was tried";
  }
  return text;
}

Rows TermRows(const FinderInput& input, const search::Trial& trial) {
  Rows rows;
  for (size_t i = 0; i < input.slo.size(); ++i) {
    const search::SloTerm& term = input.slo[i];
    rows.push_back({term.text, fmt::format("{:.4g} ms", trial.terms[i].figure_ms),
                    fmt::format("{}", trial.terms[i].late),
                    fmt::format("{}", term.AllowedOf(trial.offered))});
  }
  return rows;
}
const Row kTermNames = {"objective", "measured", "late", "allowed"};

Rows TriedRows(const FinderInput& input, const FoundFleet& found) {
  Rows rows;
  for (const auto& [candidate, trial] : found.trials) {
    Row row = {found.result.best == candidate ? "*" : trial.holds ? "holds" : "fails"};
    for (std::string& cell : SizeCells(found.sizes[candidate])) row.push_back(std::move(cell));
    for (const search::TermOutcome& term : trial.terms) {
      row.push_back(fmt::format("{:.4g}{}", term.figure_ms, trial.stopped ? " (stopped)" : ""));
    }
    row.push_back(LabelOf(input, found, candidate));
    rows.push_back(std::move(row));
  }
  return rows;
}
Row TriedNames(const FinderInput& input) {
  Row names = {"", "$ an hour", "kW", "systems"};
  for (const search::SloTerm& term : input.slo) {
    names.push_back(term.text.substr(0, term.text.find('<')) + ", ms");
  }
  names.push_back("variant");
  return names;
}

std::string RateText(const FinderInput& input, const FoundFleet& found) {
  const double held = found.rate.factor * found.offered_per_second;
  if (found.rate.unbounded) return "holds at any rate that was tried";
  return fmt::format(
      "offered {:.4g} requests a second; holds up to {:.4g} over {} requests (headroom {:.0f} %); "
      "completes at most {:.4g}",
      found.offered_per_second, held, OfferedBy(input.run), 100 * (found.rate.factor - 1),
      found.saturation.trial.completed_per_second);
}

// How sure that rate is.
std::string LongerText(const FoundFleet& found) {
  if (!found.longer) return "not tried for longer";
  std::string text = fmt::format("over {} requests of the same load it holds up to {:.4g} a second",
                                 found.longer->requests, found.longer->held_per_second);
  if (found.longer->held_per_second < found.offered_per_second) {
    text += ", less than is offered: queues grow slowly; search with as many (--count, --repeat)";
  }
  return text;
}

std::string BindingText(const FoundFleet& found) {
  const std::vector<search::Binding>& devices = found.saturation.trial.devices;
  if (devices.empty()) return "no device";
  return fmt::format("{}: {} {:.0f} % at saturation", devices[0].device, devices[0].resource,
                     100 * devices[0].share);
}

std::string ChangeText(const FoundFleet& found) {
  if (found.changes.empty()) return "no field of --vary is a range that could be raised";
  const NextChange& change = found.changes[0];
  const double gain = (change.rate_factor - found.rate.factor) * found.offered_per_second;
  if (change.rate_factor < found.rate.factor * 1.02) {
    return "one step more of any one field brings nothing";
  }
  const search::FleetSize& now = found.sizes[*found.result.best];
  return fmt::format("{} {} -> {}: {:+.4g} requests a second for {:+.2f} $ an hour, {:+.1f} kW",
                     change.path, change.from, change.to, gain,
                     change.size.usd_per_hour - now.usd_per_hour,
                     (change.size.watts - now.watts) * 1e-3);
}

LineChart RateChart(const search::SloTerm& term, size_t index, const FoundFleet& found) {
  LineChart chart{.title = "Load against " + term.text.substr(0, term.text.find('<')),
                  .x_label = "requests offered a second",
                  .y_label = "ms",
                  .limits = {{term.text, LimitMs(term)}}};
  LineChart::Series series{.name = "the answer", .marked = true};
  for (const search::RatePoint& point : found.rate.points) {
    if (point.factor > found.rate.factor * 2.1) break;  // far beyond it the curve says nothing
    series.points.push_back(
        {point.factor * found.offered_per_second, point.trial.terms[index].figure_ms});
  }
  chart.series.push_back(std::move(series));
  return chart;
}

SpanChart DeviceChart(const FoundFleet& found) {
  SpanChart chart{.title = "Where it saturates: share of each device that is taken",
                  .x_label = "percent"};
  for (const search::Binding& device : found.saturation.trial.devices) {
    if (chart.rows.size() == 24) break;
    const size_t slash = device.device.rfind('/');
    chart.rows.push_back(
        {device.device.substr(slash == std::string::npos ? 0 : slash + 1),
         {{0, 100 * device.share, fmt::format("{} {:.0f} %", device.resource, 100 * device.share),
           device.resource == "busy" ? 0u : 1u},
          {100, 100, "", 0}}});
  }
  return chart;
}

}  // namespace

std::string LabelOf(const FinderInput& input, const FoundFleet& found, size_t candidate) {
  return search::LabelOf(search::OverridesOf(input.axes, found.candidates[candidate].place));
}

std::string_view MinimisedName(Minimise minimise) {
  constexpr std::string_view kNames[] = {"cost", "watts", "systems"};
  return kNames[static_cast<size_t>(minimise)];
}

std::string InfeasibleText(const FinderInput& input, const FoundFleet& found) {
  const std::optional<size_t> nearest = Nearest(input.slo, found);
  if (!nearest) return "no variant was tried";
  const search::Trial& trial = found.trials.at(*nearest);
  std::string text = "no variant holds the SLO; nearest: " + LabelOf(input, found, *nearest);
  for (size_t i = 0; i < input.slo.size(); ++i) {
    if (trial.terms[i].late <= input.slo[i].AllowedOf(trial.offered)) continue;
    text += fmt::format("; misses {}: {:.4g} ms{}{}", input.slo[i].text, trial.terms[i].figure_ms,
                        trial.stopped ? " when it was stopped" : "",
                        trial.terms[i].by_speed ? ", and not one request is within" : "");
  }
  if (trial.unanswered > 0) text += fmt::format("; {} requests unanswered", trial.unanswered);
  return text;
}

std::string SearchText(const FinderInput& input, const FoundFleet& found) {
  std::string out = Account(found) + "\n";
  if (!found.first_fault.empty())
    out += "  cannot be built, the first: " + found.first_fault + "\n";
  Table tried(TriedNames(input), {Table::Align::kLeft, Table::Align::kRight, Table::Align::kRight,
                                  Table::Align::kRight, Table::Align::kLeft});
  for (Row& row : TriedRows(input, found)) tried.Add(std::move(row));
  out += tried.Text();
  if (!found.result.best) return out + InfeasibleText(input, found) + "\n";
  const size_t best = *found.result.best;
  const search::FleetSize& size = found.sizes[best];
  out += fmt::format("\nanswer   {}\n         {}\n         {:.2f} $ an hour, {:.1f} kW, {}\n",
                     LabelOf(input, found, best), size.label, size.usd_per_hour, size.watts * 1e-3,
                     Counted(size.systems, "system"));
  Table terms(kTermNames);
  for (Row& row : TermRows(input, found.trials.at(best))) terms.Add(std::move(row));
  out += terms.Text(9);
  out += "rate     " + RateText(input, found) + "\nlonger   " + LongerText(found) + "\nbinds    " +
         BindingText(found) + "\nnext     " + ChangeText(found) + "\n";
  return out;
}

std::string SearchPage(const FinderInput& input, const FoundFleet& found) {
  std::string slo;
  for (const search::SloTerm& term : input.slo) slo += (slo.empty() ? "" : ", ") + term.text;
  Page page("The cheapest fleet for " + slo);
  page.Heading("What is asked");
  Rows asked = {
      {"objective", slo + ", of all requests offered; one without an answer is late"},
      {"minimised", std::string(MinimisedName(input.minimise))},
      {"configuration", input.run.config_name},
      {"offered", fmt::format("{} requests, {:.4g} a second",
                              input.run.trace->requests.size() * input.run.settings.repeat,
                              found.offered_per_second)}};
  for (const search::Axis& axis : input.axes) {
    asked.push_back({axis.path, fmt::format("{} ({})", fmt::join(axis.values, ", "),
                                            axis.ordered ? "bisected: more is assumed not to fail "
                                                           "for waiting where less holds"
                                                         : "each value by itself")});
  }
  page.Table({"", ""}, asked);
  page.Heading("The answer");
  if (found.result.best) {
    const size_t best = *found.result.best;
    page.Paragraph(LabelOf(input, found, best) + ": " + found.sizes[best].label);
    page.Table({"$ an hour", "kW", "systems"}, {SizeCells(found.sizes[best])});
    page.Table(kTermNames, TermRows(input, found.trials.at(best)));
    page.Table({"", ""}, {{"rate", RateText(input, found)},
                          {"for longer", LongerText(found)},
                          {"binds", BindingText(found)},
                          {"next change", ChangeText(found)}});
    for (size_t i = 0; i < input.slo.size(); ++i) {
      page.Picture(DrawLines(RateChart(input.slo[i], i, found)),
                   "Each dot is a run of the whole trace at that rate.");
    }
    page.Picture(DrawSpans(DeviceChart(found)),
                 "Blue: time busy. Orange: KV memory that sequences hold, in the mean.");
  } else {
    page.Paragraph(InfeasibleText(input, found));
  }
  page.Heading("What was tried");
  page.Paragraph(Account(found));
  page.Table(TriedNames(input), TriedRows(input, found));
  return page.Finish();
}

}  // namespace waferline::cli
