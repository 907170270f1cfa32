// `/metrics?name[]=FAMILY&name[]=...`: only these families, for scrapers that read few of many.
// Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace waferline::http {

inline constexpr size_t kMaxMetricNames = 128;

// The values of `name[]` in a query; others are ignored. What cannot be decoded is not a name.
std::vector<std::string> MetricNames(std::string_view query);

}  // namespace waferline::http
