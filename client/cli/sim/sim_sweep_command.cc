// waferctl sim sweep: the same load through many variants of a fleet.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <cstdio>
#include <memory>
#include <sstream>
#include <thread>

#include "client/cli/charts/pareto.h"
#include "client/cli/frame/output.h"
#include "client/cli/frame/progress.h"
#include "client/cli/sim/sim_commands.h"
#include "client/cli/sim/sim_run.h"
#include "scheduler/fleet/config/fleet_config.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/mutex.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/yaml_overrides.h"

namespace waferline::cli {
namespace {

constexpr size_t kMaxVariants = 100'000;

struct Variant {
  std::vector<Override> overrides;
  std::string label;
  absl::Status status;
  boost::json::object report;
};

// Every combination of the values of --vary PATH=V1,V2.
absl::StatusOr<std::vector<Variant>> VariantsOf(const std::vector<std::string>& varied) {
  std::vector<Variant> variants(1);
  for (const std::string& text : varied) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
      return UsageError("--vary \"" + text + "\" is not PATH=VALUE,VALUE,...");
    }
    const std::string path = text.substr(0, equals);
    for (const auto& [earlier, value] : variants.front().overrides) {
      if (earlier == path) return UsageError("--vary: " + path + " is given twice");
    }
    std::vector<Variant> next;
    std::istringstream values(text.substr(equals + 1));
    for (std::string value; std::getline(values, value, ',');) {
      for (const Variant& variant : variants) {
        Variant with = variant;
        with.overrides.emplace_back(path, value);
        with.label += (with.label.empty() ? "" : " ") + path + "=" + value;
        next.push_back(std::move(with));
      }
      if (next.size() > kMaxVariants) return UsageError("--vary makes too many combinations");
    }
    variants = std::move(next);
  }
  return variants;
}

// "ttft_ms.p99" in a report.
absl::StatusOr<double> Figure(const boost::json::object& report, const std::string& path) {
  const boost::json::value* at = nullptr;
  std::istringstream steps(path);
  for (std::string step; std::getline(steps, step, '.');) {
    const boost::json::object* object = at == nullptr ? &report : at->if_object();
    at = object == nullptr ? nullptr : object->if_contains(step);
    if (at == nullptr) break;
  }
  if (at == nullptr || !at->is_number()) {
    return UsageError("a report has no number \"" + path + "\"");
  }
  return at->to_number<double>();
}

// "-goodput.share": larger is better.
struct Direction {
  std::string path;
  bool larger = false;
};
Direction DirectionOf(const std::string& text) {
  return text.starts_with("-") ? Direction{text.substr(1), true} : Direction{text, false};
}

struct Axes {
  Direction x, y;
};

// The variants that could be run, with those on the front marked; the others are named on stderr.
absl::StatusOr<std::vector<ParetoPoint>> PointsOf(const std::vector<Variant>& variants,
                                                  const Axes& axes) {
  std::vector<ParetoPoint> points;
  for (const Variant& variant : variants) {
    if (!variant.status.ok()) {
      fprintf(stderr, "%s: %s\n", variant.label.c_str(),
              std::string(variant.status.message()).c_str());
      continue;
    }
    WL_ASSIGN_OR_RETURN(const double x, Figure(variant.report, axes.x.path));
    WL_ASSIGN_OR_RETURN(const double y, Figure(variant.report, axes.y.path));
    points.push_back({variant.label, x, y});
  }
  if (points.empty()) return absl::InvalidArgumentError("no variant could be run");
  MarkFront(axes.x.larger, axes.y.larger, &points);
  return points;
}

void PrintFront(const Axes& axes, const std::vector<ParetoPoint>& points) {
  Table table(
      {"front", axes.x.path, axes.y.path, "variant"},
      {Table::Align::kLeft, Table::Align::kRight, Table::Align::kRight, Table::Align::kLeft});
  for (const ParetoPoint& p : points) {
    table.Add({p.best ? "*" : "", fmt::format("{:.6g}", p.x), fmt::format("{:.6g}", p.y), p.label});
  }
  table.Print();
}

// Takes the variants' reports. `points` are those of the variants that could be run, in order.
boost::json::array RunsJson(const std::vector<ParetoPoint>& points,
                            std::vector<Variant>* variants) {
  boost::json::array runs;
  size_t point = 0;
  for (Variant& variant : *variants) {
    boost::json::object run;
    for (const auto& [path, value] : variant.overrides) run[path] = value;
    if (variant.status.ok()) {
      run["pareto"] = points[point++].best;
      run["report"] = std::move(variant.report);
    } else {
      run["error"] = std::string(variant.status.message());
    }
    runs.push_back(std::move(run));
  }
  return runs;
}

// `input` with each variant's configuration.
void RunAll(const simulator::OfflineInput& input, int64_t thread_count,
            std::vector<Variant>* variants) {
  int64_t done = 0;
  Mutex show;
  Progress progress("runs", static_cast<int64_t>(variants->size()));
  InParallel(variants->size(), static_cast<size_t>(thread_count), [&](size_t i) {
    Variant& variant = (*variants)[i];
    auto text = WithOverrides(input.config, variant.overrides);
    variant.status = text.status();
    if (text.ok()) {
      simulator::OfflineInput varied = input;
      varied.config = *std::move(text);
      auto run = RunSim(varied, {});
      variant.status = run.status();
      if (run.ok()) variant.report = std::move(run->report);
    }
    const MutexLock lock(&show);
    progress.Show(++done);
  });
}

absl::Status Sweep(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(std::vector<Variant> variants, VariantsOf(arguments.Texts("vary")));
  WL_ASSIGN_OR_RETURN(const std::unique_ptr<SimInput> read, ReadSimInput(arguments));
  RunAll(read->input, arguments.Integer("threads"), &variants);

  const Axes axes{DirectionOf(arguments.Text("x")), DirectionOf(arguments.Text("y"))};
  WL_ASSIGN_OR_RETURN(const std::vector<ParetoPoint> points, PointsOf(variants, axes));
  if (arguments.Has("svg")) {
    WL_RETURN_IF_ERROR(WriteFile(arguments.Text("svg"),
                                 DrawPareto({"Pareto front", axes.x.path, axes.y.path, points})));
  }
  if (!arguments.json()) {
    PrintFront(axes, points);
    return absl::OkStatus();
  }
  return PutReport(arguments, {{"x", arguments.Text("x")},
                               {"y", arguments.Text("y")},
                               {"runs", RunsJson(points, &variants)}});
}

}  // namespace

Command SimSweepCommand() {
  std::vector<Flag> flags = SimFlags();
  flags.push_back(
      TextFlag("vary", "PATH=V1,V2,...",
               "a field of the fleet and its values, as models.0.prefill.workers=1,2,4; of "
               "several fields all combinations are run")
          .Repeatable()
          .Required());
  flags.push_back(TextFlag("x", "FIELD", "of the report; \"-FIELD\": larger is better")
                      .Default("usd_per_million_output_tokens"));
  flags.push_back(TextFlag("y", "FIELD", "the same for the other axis").Default("ttft_ms.p99"));
  flags.push_back(OutputFlag("svg", "also draw the runs and their Pareto front"));
  flags.push_back(IntegerFlag("threads", "N", "runs at a time", {1, 1024})
                      .Default(std::max(1u, std::thread::hardware_concurrency())));
  return {.words = "sim sweep",
          .summary = "Vary fields of the fleet and show which variants are best",
          .operands = {ReportOperand()},
          .flags = std::move(flags),
          .examples = {"waferctl sim sweep --config deploy/config/fleets/conversation-70b.yaml "
                       "--arrivals poisson:rate=20 --vary models.0.prefill.workers=2,4,8"},
          .run = Sweep};
}

}  // namespace waferline::cli
