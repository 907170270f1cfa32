// Where an amount goes: its parts side by side, or one after the other. Pure.
#pragma once

#include <string>
#include <vector>

namespace waferline::cli {

// One bar on the left whose parts flow to bars of their own on the right.
struct SankeyChart {
  struct Flow {
    std::string name;
    double amount = 0;  // >= 0; a flow of nothing is left out
  };
  std::string title;
  std::string unit;  // after each amount: "$"
  std::string source;
  std::vector<Flow> flows;
};
// "no data" if the flows sum to nothing.
std::string DrawSankey(const SankeyChart& chart);

// A sum that grows and shrinks, a bar each; a total starts from 0.
struct WaterfallChart {
  struct Step {
    std::string name;
    double amount = 0;   // added to the sum of the steps before
    bool total = false;  // shows that sum instead; `amount` is not read
  };
  std::string title;
  std::string x_label;
  std::vector<Step> steps;
};
std::string DrawWaterfall(const WaterfallChart& chart);

}  // namespace waferline::cli
