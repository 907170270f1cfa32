// Which of several runs no other one beats in both of two figures. Pure.
#pragma once

#include <string>
#include <vector>

namespace waferline::cli {

struct ParetoPoint {
  std::string label;
  double x = 0;
  double y = 0;
  bool best = false;  // on the front
};

// Smaller is better in each direction, unless said otherwise. Of equal points all are best.
void MarkFront(bool x_larger_is_better, bool y_larger_is_better, std::vector<ParetoPoint>* points);

struct ParetoChart {
  std::string title;
  std::string x_label, y_label;
  std::vector<ParetoPoint> points;
};
// An SVG document: every point with its label as a tip; the front joined, its points numbered and
// their labels listed below (the first 40).
std::string DrawPareto(ParetoChart chart);

}  // namespace waferline::cli
