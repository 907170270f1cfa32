#include "server/http/origin.h"

#include <algorithm>
#include <boost/url/ipv4_address.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/serving/access.h"
#include "wafer_backend/base/strings.h"

namespace waferline::http {

bool IsLoopbackHost(std::string_view host) {
  const bool v6 = host.starts_with('[');
  const size_t end = v6 ? host.find(']') : host.find(':');
  const std::string_view name =
      host.substr(0, end == std::string_view::npos || !v6 ? end : end + 1);
  const std::string_view port = host.substr(name.size());
  const bool port_fits =
      port.empty() || (port[0] == ':' && port.size() > 1 &&
                       port.find_first_not_of("0123456789", 1) == std::string_view::npos);
  if (!port_fits) return false;
  if (absl::EqualsIgnoreCase(Absl(name), "localhost") || name == "[::1]") return true;
  const auto v4 = boost::urls::parse_ipv4_address({name.data(), name.size()});
  return v4 && v4->is_loopback();
}

bool IsNamed(std::string_view host, std::string_view name) {
  if (host.size() < name.size() ||
      !absl::EqualsIgnoreCase(Absl(host.substr(0, name.size())), Absl(name))) {
    return false;
  }
  const std::string_view port = host.substr(name.size());
  return port.empty() || port.starts_with(':');
}

bool IsLoopbackOrigin(std::string_view origin) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (origin.starts_with(scheme)) return IsLoopbackHost(origin.substr(scheme.size()));
  }
  return false;
}

bool IsOwnOrigin(const Request& request) {
  const std::string_view host = request.Header("host");
  return request.Header("origin") ==
             absl::StrCat(request.peer.tls ? "https://" : "http://", Absl(host)) &&
         (!request.peer.from_loopback || IsLoopbackHost(host));
}

bool IsFromThisMachine(const Request& request) {
  return request.peer.from_loopback && IsLoopbackHost(request.Header("host")) &&
         std::none_of(request.headers.begin(), request.headers.end(),
                      [](const auto& header) { return serving::SaysForwarded(header.first); });
}

}  // namespace waferline::http
