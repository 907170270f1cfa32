#include "client/cli/sim/sweep_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/charts/pareto.h"
#include "client/cli/frame/output.h"
#include "client/cli/sim/sweep_page.h"
#include "scheduler/simulator/report_json.h"
#include "wafer_backend/base/command_line/command.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/json_fields.h"
#include "wafer_backend/base/name_table.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;

// "ttft_ms.p99": the paths of all numbers in a report, lists aside.
void AddPaths(const json::object& object, const std::string& prefix, std::vector<std::string>* to) {
  for (const auto& [key, value] : object) {
    const std::string path = absl::StrCat(prefix, Absl({key.data(), key.size()}));
    if (value.is_number()) to->push_back(path);
    if (const json::object* inner = value.if_object()) AddPaths(*inner, path + ".", to);
  }
}

absl::Status NoNumber(const json::object& report, const std::string& path) {
  std::vector<std::string> paths;
  AddPaths(report, "", &paths);
  return UsageError(absl::StrCat(
      "a report has no number \"", path, "\"",
      Absl(DidYouMean(path, std::vector<std::string_view>(paths.begin(), paths.end()))),
      "; 'waferctl sim --json' shows what it has, as usd_per_million_output_tokens or "
      "ttft_ms.p99"));
}

// The number at `path` in a report.
absl::StatusOr<double> Figure(const boost::json::object& report, const std::string& path) {
  const boost::json::value* at = nullptr;
  std::istringstream steps(path);
  for (std::string step; std::getline(steps, step, '.');) {
    const boost::json::object* object = at == nullptr ? &report : at->if_object();
    at = object == nullptr ? nullptr : object->if_contains(step);
    if (at == nullptr) break;
  }
  if (at == nullptr || !at->is_number()) {
    return NoNumber(report, path);
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

// A part's file.
absl::StatusOr<json::object> ReadPart(const std::string& file) {
  WL_ASSIGN_OR_RETURN(const std::string text, ReadFile(file));
  boost::system::error_code error;
  json::value value = json::parse(text, error);
  const json::object* part = error ? nullptr : value.if_object();
  if (part == nullptr || !part->contains("part") || !part->contains("sweep")) {
    return absl::InvalidArgumentError(file + ": not a part of 'waferctl sim sweep --part --json'");
  }
  return *part;
}

absl::Status ReadRuns(const json::array& runs, std::vector<Variant>* variants) {
  for (const json::value& entry : runs) {
    if (!entry.is_object()) return absl::InvalidArgumentError("runs: must be objects");
    JsonFields run(entry.get_object());
    run.Require({"index", "vary"});
    Variant variant;
    run.Int("index", 0, int64_t{1} << 32, &variant.index);
    const json::object* vary = run.Object("vary");
    const json::object* report = run.Object("report");
    std::string failed;
    run.Text("error", size_t{1} << 16, &failed);
    if (report == nullptr && failed.empty()) run.Fail("report", "or 'error' must be there");
    WL_RETURN_IF_ERROR(run.status());
    for (const auto& [path, value] : *vary) {
      if (!value.is_string()) return absl::InvalidArgumentError("vary: values must be text");
      variant.overrides.emplace_back(std::string(path), std::string(value.get_string()));
      variant.label +=
          absl::StrCat(variant.label.empty() ? "" : " ", variant.overrides.back().first, "=",
                       variant.overrides.back().second);
    }
    if (report != nullptr) variant.report = *report;
    if (report == nullptr) variant.status = absl::InvalidArgumentError(failed);
    variants->push_back(std::move(variant));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckAxes(const SweepAxes& axes, const boost::json::object& report) {
  for (const auto& [flag, text] : {std::pair{"--x", &axes.x}, std::pair{"--y", &axes.y}}) {
    const absl::Status status = Figure(report, DirectionOf(*text).path).status();
    if (!status.ok()) return UsageError(absl::StrCat(flag, ": ", std::string(status.message())));
  }
  return absl::OkStatus();
}

absl::Status PutSweep(const SweepOutput& output, SweepRuns runs) {
  const Axes axes{DirectionOf(runs.axes.x), DirectionOf(runs.axes.y)};
  // A run without an output token has no price of one: it is not a point, and says so.
  for (Variant& variant : runs.variants) {
    for (const Direction* axis : {&axes.x, &axes.y}) {
      if (variant.status.ok()) variant.status = Figure(variant.report, axis->path).status();
    }
  }
  WL_ASSIGN_OR_RETURN(const std::vector<ParetoPoint> points, PointsOf(runs.variants, axes));
  if (!output.svg.empty()) {
    WL_RETURN_IF_ERROR(
        WriteFile(output.svg, DrawPareto({"Pareto front", axes.x.path, axes.y.path, points})));
  }
  if (!output.html.empty()) {
    WL_RETURN_IF_ERROR(WriteFile(output.html, SweepPage({runs.sweep, axes.x.path, axes.y.path,
                                                         axes.y.larger, runs.variants, points})));
  }
  const size_t failed = runs.variants.size() - points.size();
  const std::string count = absl::StrCat(failed, " of ", runs.variants.size());
  if (!output.json) {
    PrintFront(axes, points);
  } else {
    const json::object report{
        {"x", runs.axes.x}, {"y", runs.axes.y}, {"runs", RunsJson(points, &runs.variants)}};
    const std::string document = simulator::Pretty(report);
    if (!output.out.empty()) WL_RETURN_IF_ERROR(WriteFile(output.out, document));
    if (output.out.empty()) PrintText(document);
  }
  if (failed == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(count + " variants could not be run");
}

json::object PartJson(const Part& part, SweepRuns swept) {
  json::array runs;
  for (Variant& variant : swept.variants) {
    json::object vary;
    for (const auto& [path, value] : variant.overrides) vary[path] = value;
    json::object run{{"index", variant.index}, {"vary", std::move(vary)}};
    if (variant.status.ok()) run["report"] = std::move(variant.report);
    if (!variant.status.ok()) run["error"] = std::string(variant.status.message());
    runs.push_back(std::move(run));
  }
  return {{"part", part.index}, {"of", part.of},     {"sweep", std::move(swept.sweep)},
          {"x", swept.axes.x},  {"y", swept.axes.y}, {"runs", std::move(runs)}};
}

absl::StatusOr<SweepRuns> MergeParts(const std::vector<std::string>& files) {
  SweepRuns merged;
  std::vector<std::string> file_of;  // by part
  for (const std::string& file : files) {
    WL_ASSIGN_OR_RETURN(const json::object object, ReadPart(file));
    JsonFields fields(object);
    Part part;
    fields.Int("of", 1, 1 << 20, &part.of);
    fields.Int("part", 0, static_cast<int64_t>(part.of) - 1, &part.index);
    fields.Text("x", 1024, &merged.axes.x);
    fields.Text("y", 1024, &merged.axes.y);
    const json::array* runs = fields.Array("runs", size_t{1} << 20);
    if (runs == nullptr) fields.Fail("runs", "is missing");
    absl::Status status = fields.status();
    if (status.ok()) status = ReadRuns(*runs, &merged.variants);
    if (!status.ok()) return absl::InvalidArgumentError(absl::StrCat(file, ": ", status.message()));
    const json::object& its = *object.at("sweep").if_object();
    if (file_of.empty()) {
      merged.sweep = its;
      file_of.resize(part.of);
    }
    if (its != merged.sweep || part.of != file_of.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat(file, " is a part of another sweep than ", files.front()));
    }
    if (!file_of[part.index].empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(file, " and ", file_of[part.index], " are both part ", part.index));
    }
    file_of[part.index] = file;
  }
  for (size_t i = 0; i < file_of.size(); ++i) {
    if (file_of[i].empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("part ", i, "/", file_of.size(), " is missing"));
    }
  }
  std::sort(merged.variants.begin(), merged.variants.end(),
            [](const Variant& a, const Variant& b) { return a.index < b.index; });
  return merged;
}

}  // namespace waferline::cli
