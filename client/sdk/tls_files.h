// The PEM files of an endpoint, read once: as texts, for gRPC, and in the TLS context of its HTTP
// connections. Any thread.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/sdk/endpoint.h"

namespace waferline::sdk {

// Of the flags --ca, --cert and --key; "": not given.
struct TlsPaths {
  std::string ca, cert, key;
};

// Texts of which a context can be made. Certificate and key are read again while they change and do
// not fit: they are being replaced. InvalidArgument or NotFound names the flag and the file that
// cannot be used.
absl::StatusOr<TlsTexts> ReadTlsFiles(const TlsPaths& paths);

// Trusts the authorities in TlsTexts::ca or, if it is empty, the system's. `pem` is of
// ReadTlsFiles: the context has room for it, or Internal.
absl::Status UseTlsTexts(const TlsTexts& pem, boost::asio::ssl::context* context);

}  // namespace waferline::sdk
