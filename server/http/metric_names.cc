#include "server/http/metric_names.h"

#include <algorithm>
#include <boost/url/pct_string_view.hpp>
#include <utility>

namespace waferline::http {

namespace {

// "" for what cannot be decoded.
std::string DecodedName(std::string_view text) {
  const auto escaped = boost::urls::make_pct_string_view({text.data(), text.size()});
  return escaped ? escaped->decode() : "";
}

}  // namespace

// Brackets come as they are from Prometheus, and escaped from others.
std::vector<std::string> MetricNames(std::string_view query) {
  std::vector<std::string> names;
  while (!query.empty() && names.size() < kMaxMetricNames) {
    const std::string_view part = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), part.size() + 1));
    const size_t equals = part.find('=');
    if (equals == std::string_view::npos || DecodedName(part.substr(0, equals)) != "name[]")
      continue;
    if (std::string name = DecodedName(part.substr(equals + 1)); !name.empty()) {
      names.push_back(std::move(name));
    }
  }
  return names;
}

}  // namespace waferline::http
