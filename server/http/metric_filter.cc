#include "server/http/metric_filter.h"

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

std::string OnlyFamilies(std::string text, const std::vector<std::string>& names) {
  if (names.empty()) return text;
  constexpr std::string_view kHelp = "# HELP ";
  const std::string_view all = text;
  std::string out;
  for (size_t at = 0; at < all.size();) {
    const size_t next = std::min(all.find("\n# HELP ", at), all.size() - 1) + 1;
    const std::string_view family = all.substr(at, next - at);
    if (family.starts_with(kHelp)) {
      const std::string_view rest = family.substr(kHelp.size());
      const std::string_view name = rest.substr(0, rest.find_first_of(" \n"));
      if (std::find(names.begin(), names.end(), name) != names.end()) out += family;
    }
    at = next;
  }
  return out;
}

}  // namespace waferline::http
