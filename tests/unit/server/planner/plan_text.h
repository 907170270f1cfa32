// Texts of small plans for tests.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

namespace waferline::planner {

inline std::string Stated(double value) {
  return fmt::format("{{value: {:.6g}, mark: D, source: test}}", value);
}

struct StageText {
  std::string name;
  double per_week = 10;
  double lead = 0;
  std::vector<std::pair<std::string, int>> needs = {};
  std::string more = {};  // further fields: "good: ..., "

  std::string Text() const {
    std::string text = fmt::format(
        "  - {{name: {0}, supplier: s-{0}, rate: [{{week: 0, per_week: {1}}}], lead_weeks: {2}, "
        "{3}",
        name, Stated(per_week), Stated(lead), more);
    if (!needs.empty()) {
      text += "needs: [";
      for (const auto& [stage, units] : needs) {
        text += fmt::format("{{stage: {}, units: {}}}, ", stage, Stated(units));
      }
      text += "]";
    }
    return text + "}\n";
  }
};

// Halls for `hall_mw` from the first week on; systems of 1 MW, so that MW are systems.
inline std::string PlanText(const std::vector<StageText>& stages, double hall_mw = 1e5,
                            double promised_mw = 0, int weeks = 104) {
  std::string text = fmt::format(
      "title: test\nstart: 2026-01-05\nweeks: {}\nkw_per_system: {}\n"
      "contracted:\n  - {{name: all, mw: {}, from_week: {}, to_week: {}}}\nstages:\n",
      weeks, Stated(1000), Stated(promised_mw), Stated(0), Stated(52));
  for (const StageText& stage : stages) text += stage.Text();
  return text + fmt::format(
                    "halls:\n  - {{name: h, how: lease, usd_per_mw_month: {}, "
                    "steps: [{{week: {}, mw: {}}}]}}\n",
                    Stated(1e5), Stated(0), Stated(hall_mw));
}

}  // namespace waferline::planner
