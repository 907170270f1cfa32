// The PEM files of an endpoint: in the TLS context of its HTTP connections, and as texts for gRPC.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/sdk/endpoint.h"

namespace waferline::sdk {

struct KeyPair {
  std::string chain;  // the own certificate, then those between it and its CA
  std::string key;
};

// Endpoint::cert and ::key, "" if the endpoint has none. Read again while they change and do not
// fit: they are being replaced. InvalidArgument or NotFound names the flag and the file that cannot
// be used.
absl::StatusOr<KeyPair> ReadKeyPair(const Endpoint& endpoint);

// Trusts the authorities in Endpoint::ca or, if it is empty, the system's. InvalidArgument names
// the flag and the file that cannot be used.
absl::Status UseTlsFiles(const Endpoint& endpoint, boost::asio::ssl::context* context);

// The same without a context to keep: gRPC's errors do not say which file it was.
absl::Status CheckTlsFiles(const Endpoint& endpoint);

}  // namespace waferline::sdk
