#include "client/cli/sim/sweep_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <tuple>

#include "absl/strings/numbers.h"
#include "client/cli/charts/line_chart.h"
#include "client/cli/charts/page.h"
#include "wafer_backend/base/json_text.h"

namespace waferline::cli {
namespace {

using Rows = std::vector<std::vector<std::string>>;

constexpr size_t kMaxRows = 50;

std::string CellText(const boost::json::value& value) {
  if (value.is_string()) return std::string(std::string_view(value.get_string()));
  if (!value.is_array()) return JsonText(value);
  std::string text;
  for (const boost::json::value& one : value.get_array()) {
    text += (text.empty() ? "" : "; ") + CellText(one);
  }
  return text;
}

void AddSweep(const SweepStudy& study, Page* page) {
  page->Heading("What was run");
  Rows rows;
  for (const auto& [field, value] : study.sweep) {
    std::string text = CellText(value);
    if (!text.empty()) rows.push_back({std::string(field), std::move(text)});
  }
  page->Table({"", ""}, rows);
}

void AddFront(const SweepStudy& study, Page* page) {
  std::vector<ParetoPoint> points = study.points;  // numbered as in the picture
  std::sort(points.begin(), points.end(), [](const ParetoPoint& a, const ParetoPoint& b) {
    return std::tie(a.x, a.y) < std::tie(b.x, b.y);
  });
  Rows rows;
  for (const ParetoPoint& point : points) {
    if (!point.best) continue;
    rows.push_back({fmt::format("{}", rows.size() + 1), fmt::format("{:.6g}", point.x),
                    fmt::format("{:.6g}", point.y), point.label});
  }
  const size_t best = rows.size();
  page->Heading("The best");
  page->Paragraph(
      fmt::format("{} of {} variants could be run; of {} no other one is better in both figures{}.",
                  study.points.size(), study.variants.size(), best,
                  best > kMaxRows ? fmt::format(", the first {} are listed", kMaxRows) : ""));
  page->Picture(
      DrawPareto({"Variants and their Pareto front", study.x, study.y, study.points}),
      "Blue: no other variant is better in both figures. Rest the mouse on a dot for its name.");
  if (rows.size() > kMaxRows) rows.resize(kMaxRows);
  page->Table({"", study.x, study.y, "variant"}, rows);
}

// The y figures of all variants, by the value of the `field`-th override; empty if a value is no
// number.
std::map<double, std::vector<double>> ByValue(const SweepStudy& study, size_t field) {
  std::map<double, std::vector<double>> by;
  size_t point = 0;
  for (const Variant& variant : study.variants) {
    if (!variant.status.ok()) continue;
    const double y = study.points[point++].y;
    double value = 0;
    if (!absl::SimpleAtod(variant.overrides[field].second, &value)) return {};
    by[value].push_back(y);
  }
  return by;
}

void AddField(const SweepStudy& study, size_t field, Page* page) {
  std::map<double, std::vector<double>> by = ByValue(study, field);
  if (by.size() < 2) return;
  LineChart::Series best{.name = "the best", .marked = true}, median{.name = "the median"};
  for (auto& [value, ys] : by) {
    std::sort(ys.begin(), ys.end());
    best.points.push_back({value, study.y_larger ? ys.back() : ys.front()});
    median.points.push_back({value, ys[ys.size() / 2]});
  }
  const std::string& name = study.variants.front().overrides[field].first;
  page->Picture(DrawLines({.title = "What " + name + " does",
                           .x_label = name,
                           .y_label = study.y,
                           .series = {std::move(best), std::move(median)}}),
                "Over all variants that have the value.");
}

void AddFailed(const SweepStudy& study, Page* page) {
  Rows rows;
  for (const Variant& variant : study.variants) {
    if (variant.status.ok() || rows.size() == kMaxRows) continue;
    rows.push_back({variant.label, std::string(variant.status.message())});
  }
  if (rows.empty()) return;
  page->Heading("What could not be run");
  page->Paragraph(fmt::format("{} variants; at most {} are listed.",
                              study.variants.size() - study.points.size(), kMaxRows));
  page->Table({"variant", "why"}, rows);
}

}  // namespace

std::string SweepPage(const SweepStudy& study) {
  Page page(fmt::format("{} variants of a fleet", study.variants.size()));
  AddSweep(study, &page);
  AddFront(study, &page);
  page.Heading("What each field does");
  for (size_t field = 0; field < study.variants.front().overrides.size(); ++field) {
    AddField(study, field, &page);
  }
  AddFailed(study, &page);
  return page.Finish();
}

}  // namespace waferline::cli
