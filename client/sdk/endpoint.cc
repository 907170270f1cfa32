#include "client/sdk/endpoint.h"

#include <boost/url.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "wafer_backend/base/strings.h"

namespace waferline::sdk {
namespace {

absl::Status Wrong(std::string_view url, std::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("'", Absl(url), "' is not a server address: ", Absl(why),
                   "; write http://127.0.0.1:8080 or grpc://127.0.0.1:50051"));
}

}  // namespace

std::string Endpoint::authority() const {
  const bool v6 = host.find(':') != std::string::npos;
  return absl::StrCat(v6 ? "[" : "", host, v6 ? "]" : "", ":", port);
}

std::string Endpoint::url() const {
  const char* scheme = protocol == Protocol::kGrpc ? "grpc" : "http";
  return absl::StrCat(scheme, tls ? "s://" : "://", authority(), base_path);
}

absl::StatusOr<Endpoint> ParseEndpoint(std::string_view url) {
  const bool has_scheme = url.find("://") != std::string_view::npos;
  const std::string whole =
      has_scheme || url.empty() ? std::string(url) : absl::StrCat("http://", Absl(url));
  const auto parsed = boost::urls::parse_uri(whole);
  if (!parsed) return Wrong(url, "it cannot be read as a URL");
  const std::string scheme = parsed->scheme();
  Endpoint endpoint;
  endpoint.tls = scheme == "https" || scheme == "grpcs";
  if (scheme == "grpc" || scheme == "grpcs") {
    endpoint.protocol = Endpoint::Protocol::kGrpc;
  } else if (scheme != "http" && scheme != "https") {
    return Wrong(url, absl::StrCat("'", scheme, "' is none of http, https, grpc and grpcs"));
  }
  endpoint.host = parsed->host_address();
  if (endpoint.host.empty()) return Wrong(url, "it names no host");
  if (parsed->has_query() || parsed->has_fragment() || parsed->has_userinfo()) {
    return Wrong(url, "it has more than host, port and path");
  }
  endpoint.port = endpoint.protocol == Endpoint::Protocol::kGrpc ? 50051
                  : endpoint.tls                                 ? 443
                                                                 : 8080;
  if (const std::string port = parsed->port(); !port.empty()) {
    uint32_t number = 0;  // Boost's own port_number wraps around
    if (!absl::SimpleAtoi(port, &number) || number == 0 || number > 65535) {
      return Wrong(url, "its port is not a number from 1 to 65535");
    }
    endpoint.port = static_cast<uint16_t>(number);
  }
  endpoint.base_path = parsed->encoded_path();
  if (!endpoint.base_path.empty() && endpoint.base_path.front() != '/') {
    // Boost 1.81 takes what is not a digit after the colon for the path.
    return Wrong(url, "its port is not a number from 1 to 65535");
  }
  while (endpoint.base_path.ends_with('/')) endpoint.base_path.pop_back();
  if (endpoint.base_path.ends_with("/v1")) {
    endpoint.base_path.resize(endpoint.base_path.size() - 3);
  }
  if (endpoint.protocol == Endpoint::Protocol::kGrpc && !endpoint.base_path.empty()) {
    return Wrong(url, "a gRPC server has no path");
  }
  return endpoint;
}

}  // namespace waferline::sdk
