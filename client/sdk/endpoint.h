// Where a server is: http://host:port[/base path], the same with https, or grpc://host:port. A
// value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace waferline::sdk {

struct Endpoint {
  enum class Protocol : uint8_t { kHttp, kGrpc };
  Protocol protocol = Protocol::kHttp;
  bool tls = false;  // https; the server's certificate must be valid for `host`
  std::string host;
  uint16_t port = 0;
  std::string base_path;  // "" or "/something", before /v1/...
  std::string api_key;    // sent as a bearer token if not empty

  std::string url() const;
  std::string authority() const;  // host:port, IPv6 hosts in brackets
};

// InvalidArgument says what an address looks like. Without a scheme it is http ("localhost:8080").
// Without a port: 8080 for http, 443 for https, 50051 for grpc. A
// base path that ends in /v1, as OpenAI clients write it, means the same without.
absl::StatusOr<Endpoint> ParseEndpoint(std::string_view url);

}  // namespace waferline::sdk
