// The PEM files of an endpoint, in the TLS context of its HTTP connections.
#pragma once

#include <boost/asio/ssl/context.hpp>

#include "absl/status/status.h"
#include "client/sdk/endpoint.h"

namespace waferline::sdk {

// Trusts the authorities in Endpoint::ca or, if it is empty, the system's. InvalidArgument names
// the flag and the file that cannot be used.
absl::Status UseTlsFiles(const Endpoint& endpoint, boost::asio::ssl::context* context);

}  // namespace waferline::sdk
