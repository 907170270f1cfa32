// Where a server is: http://host:port[/base path], the same with https, grpc://host:port, or grpcs
// for gRPC over TLS. A value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "wafer_backend/base/units.h"

namespace waferline::sdk {

// How long a client waits for a server that says nothing; then its request is DeadlineExceeded.
struct Patience {
  Nanoseconds connect = Seconds(10);  // with the TLS handshake
  Nanoseconds answer = Seconds(60);   // from the request to its answer's first byte
  Nanoseconds stream = Seconds(600);  // between two reads of an answer

  static Patience Of(Nanoseconds all) { return {all, all, all}; }
};

// PEM texts of TLS (tls_files.h). `ca`: authorities that may issue the server's certificate; "":
// the system's. `chain`, `key`: the client's own certificate, for servers that ask for one, with
// those between it and its CA; both or neither.
struct TlsTexts {
  std::string ca, chain, key;
};

struct Endpoint {
  enum class Protocol : uint8_t { kHttp, kGrpc };
  Protocol protocol = Protocol::kHttp;
  bool tls = false;  // https, grpcs; the server's certificate must be valid for `host`
  TlsTexts pem;
  std::string host;
  uint16_t port = 0;
  std::string base_path;  // "" or "/something", before /v1/...
  std::string api_key;    // sent as a bearer token if not empty
  Patience patience;

  std::string url() const;
  std::string authority() const;  // host:port, IPv6 hosts in brackets
};

// InvalidArgument says what an address looks like. Without a scheme it is http ("localhost:8080").
// Without a port: 8080 for http, 443 for https, 50051 for grpc and grpcs. A
// base path that ends in /v1, as OpenAI clients write it, means the same without.
absl::StatusOr<Endpoint> ParseEndpoint(std::string_view url);

}  // namespace waferline::sdk
