// A load run as a page of HTML: what was asked and answered, latencies in numbers and as
// distributions, throughput over time, and the receipt. Pure.
#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "client/load/load_report.h"
#include "client/load/load_run.h"

namespace waferline::cli {

struct LoadPageInput {
  std::string title;
  const load::LoadResult& result;
  const load::LoadReport& report;
  boost::json::object receipt;  // what was asked, and the whole report
};
std::string LoadPage(const LoadPageInput& input);

}  // namespace waferline::cli
