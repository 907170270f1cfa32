// What X.509 certificates say, by OpenSSL. Pure, any thread.
#pragma once

#include <openssl/x509.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace waferline::tls {

using X509Owner = std::unique_ptr<X509, decltype(&X509_free)>;

// Those of a PEM text in its order, 16 at most, up to the first that is none.
std::vector<X509Owner> CertificatesOf(const std::string& pem);
// The only URI name of a certificate; "" if it has none, or several.
std::string UriNameOf(const X509* certificate);
// The names and addresses that it is for, in its order: those of hosts.
std::vector<std::string> HostNamesOf(const X509* certificate);
// A time of a certificate, in seconds since 1970; 0 if it is malformed.
int64_t UnixSecondsOf(const ASN1_TIME* time);

}  // namespace waferline::tls
