// A certificate authority in a folder of its own, for tests. Inline; one at a time in a process.
#pragma once

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/cli/certs/certificate_authority.h"
#include "tests/support/temporary_folder.h"
#include "wafer_backend/base/tls/credentials.h"

namespace waferline::testing {

class Lab {
 public:
  Lab() { REQUIRE(cli::CertificateAuthority::Create(dir_, "test", kValidSeconds).ok()); }

  // The folder with the new certificate.
  std::string Issue(tls::Role role, const std::string& name = "", const std::string& domain = "d",
                    const std::string& cloud = "c") const {
    const std::string folder = std::string(tls::Name(role)) + name + domain + cloud;
    const auto issued = cli::CertificateAuthority(dir_).Issue(
        {.folder = folder,
         .identity = {.trust_domain = domain, .cloud = cloud, .role = role, .name = name},
         .hosts = {"localhost"},
         .valid_seconds = kValidSeconds});
    REQUIRE(issued.ok());
    return dir_ / folder;
  }

 private:
  static constexpr int64_t kValidSeconds = 3600;
  const test::TemporaryFolder folder_;
  const std::filesystem::path dir_ = folder_.path();
};

// As links use them.
inline std::unique_ptr<tls::Credentials> CredentialsOf(
    const std::string& folder, std::vector<std::string>* remarks = nullptr) {
  auto loaded = tls::Credentials::Load({.cert = folder + "/tls.crt",
                                        .key = folder + "/tls.key",
                                        .ca = folder + "/ca.crt",
                                        .reload = Seconds(1),
                                        .trust_domain = "d",
                                        .peers = tls::PeerCertificates::kRequired,
                                        .alpn = "wl/2",
                                        .alpn_required = true},
                                       [remarks](const std::string& text) {
                                         if (remarks != nullptr) remarks->push_back(text);
                                       });
  REQUIRE(loaded.ok());
  return *std::move(loaded);
}

}  // namespace waferline::testing
