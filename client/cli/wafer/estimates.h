// How both kinds of predictions show estimates and what moves them.
#pragma once

#include <boost/json/array.hpp>
#include <string>
#include <vector>

#include "client/cli/frame/output.h"
#include "wafer_backend/hardware/placement/prediction.h"

namespace waferline::cli {

// Value, low and high of each, a row.
class EstimateTable {
 public:
  EstimateTable();
  void Add(const std::string& name, const placement::Estimate& estimate, const std::string& unit);
  void Print() const { table_.Print(); }

 private:
  Table table_;
};

void PrintInfluences(const std::vector<placement::Influence>& influences);
boost::json::array InfluencesJson(const std::vector<placement::Influence>& influences);

// [low, high]
inline boost::json::array IntervalJson(const placement::Estimate& e) { return {e.low, e.high}; }

}  // namespace waferline::cli
