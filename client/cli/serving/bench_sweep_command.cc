// waferctl bench sweep: the same load at several rates or concurrencies, and where the server's
// knee is.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <cstdio>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/charts/line_chart.h"
#include "client/cli/charts/page.h"
#include "client/cli/frame/output.h"
#include "client/cli/serving/bench_flags.h"
#include "client/cli/serving/server_flags.h"
#include "client/cli/serving/serving_commands.h"
#include "client/load/load_report.h"
#include "scheduler/simulator/report_json.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;

constexpr size_t kMaxLevels = 64;
constexpr double kMaxConcurrency = 65536, kMaxRate = 1e6, kMinRate = 1e-3;
// A concurrency is enough from this share of the best throughput on; a rate is kept if answers end
// at this share of it, and of the answers so many are good.
constexpr double kEnough = 0.9, kKept = 0.95, kGood = 0.99;

struct SweepLevel {
  double level = 0;  // requests a second, or at once
  double pace = 0;   // load::PaceOf
  load::LoadReport report;
};

struct BenchSweep {
  bool rates = false;
  bool has_objectives = false;
  std::vector<SweepLevel> levels;

  // The first concurrency with enough throughput, or the last rate before one that is not kept.
  std::optional<size_t> Knee() const {
    std::optional<size_t> knee;
    double most = 0;
    for (const SweepLevel& it : levels) most = std::max(most, it.report.output_throughput);
    for (size_t i = 0; i < levels.size(); ++i) {
      const load::LoadReport& report = levels[i].report;
      if (!rates && report.output_throughput >= kEnough * most) return i;
      if (!rates) continue;
      if (!Kept(levels[i])) return knee;
      knee = i;
    }
    return knee;
  }

  bool Kept(const SweepLevel& it) const {
    return it.pace >= kKept && (!has_objectives || it.report.request_goodput.value_or(0) >=
                                                       kGood * it.report.request_throughput);
  }
};

// "1,4,16": rising.
absl::StatusOr<std::vector<double>> ParseLevels(const Arguments& arguments, const char* flag) {
  const bool rates = std::string_view(flag) == "rates";
  std::vector<double> levels;
  for (const auto& word : absl::StrSplit(arguments.Text(flag), ',')) {
    double level = 0;
    const bool number = absl::SimpleAtod(word, &level) &&
                        (rates ? level >= kMinRate && level <= kMaxRate
                               : level >= 1 && level <= kMaxConcurrency && level == int64_t(level));
    if (!number || (!levels.empty() && level <= levels.back()) || levels.size() == kMaxLevels) {
      return UsageError(absl::StrCat(
          "--", flag, ": \"", arguments.Text(flag), "\" is not a list N1,N2,... of at most ",
          kMaxLevels, " rising ", rates ? "numbers above 0" : "whole numbers from 1 to 65536"));
    }
    levels.push_back(level);
  }
  return levels;
}

std::string KneeText(const BenchSweep& sweep) {
  const std::optional<size_t> knee = sweep.Knee();
  if (!knee && sweep.levels.front().pace >= kKept) {
    return "no rate was kept: at the lowest too few answers are within the goals";
  }
  if (!knee && sweep.levels.front().report.failed > 0) {
    return fmt::format("no rate was kept: of the lowest {} of {} requests failed",
                       sweep.levels.front().report.failed,
                       sweep.levels.front().report.failed + sweep.levels.front().report.completed);
  }
  if (!knee) {
    return fmt::format(
        "no rate was kept: at the lowest answers ended {:.0f} % as fast as requests "
        "were due; of few requests (--num-prompts) that is partly chance",
        100 * sweep.levels.front().pace);
  }
  const SweepLevel& at = sweep.levels[*knee];
  if (!sweep.rates && *knee + 1 == sweep.levels.size()) {
    return fmt::format("no knee up to {:g} at once: more of them may have more tokens a second",
                       at.level);
  }
  if (!sweep.rates) {
    return fmt::format("{:.0f} at once have {:.0f} % of the most tokens a second", at.level,
                       100 * kEnough);
  }
  return fmt::format("up to {:g} a second are kept{}", at.level,
                     *knee + 1 == sweep.levels.size() ? ", the highest that was tried" : "");
}

json::object SweepJson(const BenchSweep& sweep) {
  json::array rows;
  for (const SweepLevel& it : sweep.levels) {
    json::object row{{sweep.rates ? "request_rate" : "max_concurrency", it.level}};
    for (const auto& [key, value] : load::ToJson(it.report)) row[key] = value;
    if (sweep.rates) row["kept"] = sweep.Kept(it);
    rows.push_back(std::move(row));
  }
  const std::optional<size_t> knee = sweep.Knee();
  return {{"levels", std::move(rows)},
          {"knee", knee ? json::value(sweep.levels[*knee].level) : json::value(nullptr)}};
}

std::vector<std::string> Cells(const BenchSweep& sweep, const SweepLevel& it) {
  const load::LoadReport& r = it.report;
  return {fmt::format("{:g}", it.level),
          fmt::format("{}", r.completed),
          fmt::format("{}", r.failed),
          fmt::format("{:.1f}", r.request_throughput),
          fmt::format("{:.1f}", r.output_throughput),
          fmt::format("{:.2f}", r.ttft_ms.median),
          fmt::format("{:.2f}", r.ttft_ms.p99),
          fmt::format("{:.3f}", r.tpot_ms.median),
          fmt::format("{:.3f}", r.tpot_ms.p99),
          sweep.rates ? fmt::format("{:.0f}{}", 100 * it.pace, sweep.Kept(it) ? "" : " no") : "",
          sweep.has_objectives ? fmt::format("{:.1f}", r.request_goodput.value_or(0)) : ""};
}

const std::vector<std::string>& Names(const BenchSweep& sweep) {
  static const std::vector<std::string> kRates = {
      "requests/s", "done",     "failed",   "completed/s",  "tokens/s", "ttft, ms",
      "ttft p99",   "tpot, ms", "tpot p99", "ended/due, %", "good/s"};
  static const std::vector<std::string> kAtOnce = [] {
    std::vector<std::string> names = kRates;
    names[0] = "at once";
    return names;
  }();
  return sweep.rates ? kRates : kAtOnce;
}

std::string SweepPage(const BenchSweep& sweep, const std::string& title) {
  Page page(title);
  page.Paragraph(KneeText(sweep));
  const auto line = [&](const std::string& name, auto value) {
    LineChart::Series series{.name = name, .marked = true};
    for (const SweepLevel& it : sweep.levels) series.points.push_back({it.level, value(it.report)});
    return series;
  };
  if (sweep.rates && sweep.has_objectives) {
    page.Picture(
        DrawLines({.title = "Answers within the goals",
                   .x_label = "requests a second, asked for",
                   .y_label = "a second",
                   .series = {line("completed",
                                   [](const load::LoadReport& r) { return r.request_throughput; }),
                              line("within the goals",
                                   [](const load::LoadReport& r) {
                                     return r.request_goodput.value_or(0);
                                   })}}),
        "Over the whole run, its last answers included; where the lines part, answers are too "
        "late.");
  }
  const std::string x = sweep.rates ? "requests a second, asked for" : "requests at once";
  page.Picture(
      DrawLines({.title = "Throughput",
                 .x_label = x,
                 .y_label = "tokens a second",
                 .series = {line("tokens a second",
                                 [](const load::LoadReport& r) { return r.output_throughput; })}}),
      "What the server completed, of answers that ended.");
  page.Picture(
      DrawLines(
          {.title = "Time to the first token",
           .x_label = x,
           .y_label = "ms",
           .series = {line("median", [](const load::LoadReport& r) { return r.ttft_ms.median; }),
                      line("p99", [](const load::LoadReport& r) { return r.ttft_ms.p99; })}}),
      "From send, on the client's clock.");
  std::vector<std::vector<std::string>> rows;
  for (const SweepLevel& it : sweep.levels) rows.push_back(Cells(sweep, it));
  page.Table(Names(sweep), rows);
  page.Heading("Receipt");
  page.Document("Every figure of every level, as JSON", simulator::Pretty(SweepJson(sweep)));
  return page.Finish();
}

absl::Status RunSweep(const Arguments& arguments) {
  BenchSweep sweep{.rates = arguments.Has("rates"), .has_objectives = arguments.Has("goodput")};
  if (sweep.rates == arguments.Has("concurrency")) {
    return UsageError("give --rates or --concurrency, one of the two");
  }
  WL_ASSIGN_OR_RETURN(const std::vector<double> levels,
                      ParseLevels(arguments, sweep.rates ? "rates" : "concurrency"));
  WL_ASSIGN_OR_RETURN(const LatencyObjectives objectives, BenchObjectives(arguments));
  WL_ASSIGN_OR_RETURN(const sdk::Endpoint endpoint, EndpointOf(arguments));
  WL_ASSIGN_OR_RETURN(load::LoadSettings settings, BenchSettings(arguments));
  const auto client = sdk::MakeClient(endpoint);
  WL_ASSIGN_OR_RETURN(settings.request.model, ModelOf(arguments, *client));
  WL_RETURN_IF_ERROR(load::Warm(*client, &settings.request, settings.prompts.front()));
  const sdk::GenerateSpec request = settings.request;
  for (size_t round = 0; round < levels.size(); ++round) {
    const double level = levels[round];
    WL_ASSIGN_OR_RETURN(settings, BenchSettings(arguments, round));
    settings.request = request;
    if (sweep.rates) {
      settings.arrival.rate_per_second = level;
    } else {
      settings.arrival.concurrency = static_cast<uint32_t>(level);
    }
    const load::LoadResult result = RunBenchLoad(*client, settings);
    sweep.levels.push_back(
        {level, load::PaceOf(result), load::Evaluate(result, objectives, false)});
    if (result.interrupted) return absl::CancelledError("interrupted");
  }
  if (arguments.Has("html")) {
    const std::string title = "Load on " + settings.request.model + " at " + endpoint.url();
    WL_RETURN_IF_ERROR(WriteFile(arguments.Text("html"), SweepPage(sweep, title)));
  }
  if (arguments.json()) {
    PrintText(JsonText(SweepJson(sweep)) + "\n");
    return absl::OkStatus();
  }
  Table table(Names(sweep), {Table::Align::kRight});
  for (const SweepLevel& it : sweep.levels) table.Add(Cells(sweep, it));
  table.Print();
  Print("{}\n", KneeText(sweep));
  return absl::OkStatus();
}

}  // namespace

Command BenchSweepCommand() {
  std::vector<Flag> flags = BenchFlags();
  flags.push_back(TextFlag("rates", "R1,R2,...", "requests a second, one run after the other"));
  flags.push_back(TextFlag("concurrency", "N1,N2,...", "requests at once"));
  return {.words = "bench sweep",
          .summary = "The same load at several rates or concurrencies, and the knee",
          .flags = std::move(flags),
          .examples = {"waferctl bench sweep --concurrency 1,4,16,64 --num-prompts 200",
                       "waferctl bench sweep --rates 5,10,20,40 --goodput ttft:200 --html s.html"},
          .run = RunSweep};
}

}  // namespace waferline::cli
