// A sweep as one page of HTML: which variants are best, and what each field does. Pure.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <vector>

#include "client/cli/charts/pareto.h"
#include "client/cli/sim/sweep_variants.h"

namespace waferline::cli {

struct SweepStudy {
  const boost::json::object& sweep;  // what was run: configuration, trace, seed
  std::string x, y;                  // names of the axes
  bool y_larger = false;             // larger is better
  const std::vector<Variant>& variants;
  const std::vector<ParetoPoint>& points;  // of those that could be run, in their order
};
std::string SweepPage(const SweepStudy& study);

}  // namespace waferline::cli
