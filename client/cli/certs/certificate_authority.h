// A certificate authority in a folder, for laboratories and tests: all who can read the folder can
// issue certificates.
//
//   DIR/ca.crt, ca.key                     of the authority
//   DIR/NAME -> .NAME.a or .NAME.b         a link that is replaced at once: a key and a certificate
//   DIR/NAME/tls.crt, tls.key, ca.crt      that do not fit are gone when they are read again
//
// Keys: ECDSA P-256. Certificates carry one SPIFFE ID, and host names for clients that check them.
// Thread: one at a time. Errors: files.h's, and AlreadyExists, InvalidArgument as said.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wafer_backend/base/tls/identity.h"

namespace waferline::cli {

struct IssueSpec {
  std::string folder;              // NAME above
  tls::Identity identity;          // without uri
  std::vector<std::string> hosts;  // names and IP addresses
  int64_t valid_seconds = 0;
};

struct IssuedCertificate {
  std::string folder;
  std::string uri;
  int64_t expires_unix = 0;
};

class CertificateAuthority {
 public:
  // Makes one. AlreadyExists: the folder has one.
  static absl::Status Create(const std::string& dir, const std::string& name,
                             int64_t valid_seconds);

  explicit CertificateAuthority(std::string dir) : dir_(std::move(dir)) {}
  // A new key and certificate in place of those of before, if there were any. InvalidArgument names
  // what is not a host.
  absl::StatusOr<IssuedCertificate> Issue(const IssueSpec& spec) const;
  absl::StatusOr<std::vector<IssuedCertificate>> List() const;

 private:
  const std::string dir_;
};

}  // namespace waferline::cli
