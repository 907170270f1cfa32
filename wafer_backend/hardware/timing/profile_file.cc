#include "wafer_backend/hardware/timing/profile_file.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "wafer_backend/base/built_in_files.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/yaml_form.h"

namespace waferline::timing {
namespace {

// A double-quoted scalar of YAML.
std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out + '"';
}

std::string FormatFact(const Fact& fact) {
  return absl::StrFormat("{value: %.6g, low: %.6g, high: %.6g, mark: \"%c\", source: %s}",
                         fact.value, fact.low, fact.high, static_cast<char>(fact.mark),
                         Quoted(fact.source));
}

}  // namespace

std::string FitSummary(const Profile& profile) {
  return absl::StrFormat(
      "%d constants fitted to %d points: median error %.2f %%, worst "
      "%.2f %%.",
      profile.fit_constants, profile.fit_points, MedianErrorPercent(profile.residuals),
      WorstErrorPercent(profile.residuals));
}

absl::StatusOr<Profile> ParseProfile(const std::string& name, std::string_view yaml) {
  YamlFile file(name, yaml);
  YamlForm form = file.root();
  Profile profile;
  profile.name = form.Text("name");
  profile.title = form.Text("title");
  profile.anchored = form.Flag("anchored", false);
  profile.shared_grid = form.Flag("shared_grid", false);
  profile.spread = form.Plain("spread", {0, 1});
  profile.fit_constants = static_cast<int>(form.Integer("fit_constants", 0, 100));
  profile.fit_points = static_cast<int>(form.Integer("fit_points", 0, 100'000));
  YamlForm sides = form.Map("measured_sides");
  profile.measured_sides = {sides.Plain("low", {1, 1e6}), sides.Plain("high", {1, 1e6})};
  if (profile.measured_sides.low > profile.measured_sides.high) {
    sides.AddError("low", "must not be above high");
  }
  sides.RefuseOthers();
  profile.softmax_score_cycles = form.Number("softmax_score_cycles", {1e-3, 1e6});
  profile.tokens_per_step = form.Number("tokens_per_step", {1, 64});
  profile.draft_seconds = form.Number("draft_seconds", {0, 1});
  YamlForm constants = form.Map("constants");
  for (const ConstantField& field : ConstantFields()) {
    YamlForm constant = constants.Map(field.name);
    profile.constants.*field.value = constant.Plain("value", {1e-6, 1e9});
    profile.errors.*field.value = constant.Plain("error", {0, 1e9});
    if (constant.Flag("fitted", false)) profile.fitted.emplace_back(field.name);
    constant.RefuseOthers();
  }
  constants.RefuseOthers();
  for (YamlForm& point : form.List("points")) {
    Residual residual;
    residual.point = point.Text("point");
    residual.measured = point.Plain("measured", kPositive);
    residual.predicted = point.Plain("predicted", kPositive);
    point.RefuseOthers();
    profile.residuals.push_back(std::move(residual));
  }
  form.RefuseOthers();
  WL_RETURN_IF_ERROR(file.status());
  return profile;
}

absl::StatusOr<Profile> LoadProfile(const std::string& name_or_path) {
  WL_ASSIGN_OR_RETURN(const NamedText file, LoadNamedText("profiles", name_or_path));
  return ParseProfile(file.name, file.text);
}

std::vector<std::string> BuiltInProfiles() { return BuiltInNames("profiles"); }

std::string FormatProfile(const Profile& profile) {
  std::string out =
      absl::StrCat("# Written by `waferctl wafer calibrate`. ", FitSummary(profile), "\n");
  absl::StrAppend(&out, "name: ", Quoted(profile.name), "\ntitle: ", Quoted(profile.title),
                  "\nanchored: ", profile.anchored ? "true" : "false",
                  "\nshared_grid: ", profile.shared_grid ? "true" : "false",
                  absl::StrFormat("\nspread: %.4g\nfit_constants: %d\nfit_points: %d\n",
                                  profile.spread, profile.fit_constants, profile.fit_points),
                  absl::StrFormat("measured_sides: {low: %.6g, high: %.6g}\n",
                                  profile.measured_sides.low, profile.measured_sides.high));
  absl::StrAppend(&out, "softmax_score_cycles: ", FormatFact(profile.softmax_score_cycles),
                  "\ntokens_per_step: ", FormatFact(profile.tokens_per_step),
                  "\ndraft_seconds: ", FormatFact(profile.draft_seconds), "\nconstants:\n");
  for (const ConstantField& field : ConstantFields()) {
    const bool fitted =
        std::find(profile.fitted.begin(), profile.fitted.end(), field.name) != profile.fitted.end();
    absl::StrAppend(&out, absl::StrFormat("  %s: {value: %.6g, error: %.2g, fitted: %s}\n",
                                          field.name, profile.constants.*field.value,
                                          profile.errors.*field.value, fitted ? "true" : "false"));
  }
  absl::StrAppend(&out, profile.residuals.empty() ? "points: []\n" : "points:\n");
  for (const Residual& r : profile.residuals) {
    absl::StrAppend(&out, absl::StrFormat("  - {point: %s, measured: %.8g, predicted: %.5g",
                                          Quoted(r.point), r.measured, r.predicted));
    absl::StrAppend(&out, absl::StrFormat("}  # %+.1f %%\n", r.error_percent()));
  }
  return out;
}

}  // namespace waferline::timing
