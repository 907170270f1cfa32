#include "client/cli/wafer/estimates.h"

#include <fmt/format.h>

#include <boost/json/object.hpp>

namespace waferline::cli {

EstimateTable::EstimateTable()
    : table_({"", "value", "low", "high", "unit"},
             {Table::Align::kLeft, Table::Align::kRight, Table::Align::kRight, Table::Align::kRight,
              Table::Align::kLeft}) {}

void EstimateTable::Add(const std::string& name, const placement::Estimate& estimate,
                        const std::string& unit) {
  table_.Add({name, fmt::format("{:.5g}", estimate.value), fmt::format("{:.5g}", estimate.low),
              fmt::format("{:.5g}", estimate.high), unit});
}

void PrintInfluences(const std::vector<placement::Influence>& influences) {
  Table table({"what moves one user's tokens/s", "at its low end", "at its high end"});
  for (const placement::Influence& i : influences) {
    if (i.at_low == i.at_high) continue;  // it moves other figures
    table.Add({i.parameter, fmt::format("{:.5g}", i.at_low), fmt::format("{:.5g}", i.at_high)});
  }
  table.Print();
}

boost::json::array InfluencesJson(const std::vector<placement::Influence>& influences) {
  boost::json::array out;
  for (const placement::Influence& i : influences) {
    out.push_back(boost::json::object{{"parameter", i.parameter},
                                      {"tokens_per_second_at_low", i.at_low},
                                      {"tokens_per_second_at_high", i.at_high}});
  }
  return out;
}

}  // namespace waferline::cli
