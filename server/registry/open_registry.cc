#include "server/registry/open_registry.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/registry/etcd_registry.h"
#include "server/registry/file_registry.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/base/tls/certificates.h"
#include "wafer_backend/base/tls/credentials.h"

namespace waferline::registry {
namespace {

constexpr std::string_view kEtcd = "etcd=";
constexpr std::string_view kFile = "file=";
constexpr size_t kMaxEndpoints = 16;

constexpr std::string_view kHttps = "https://";

absl::Status CheckEndpoint(std::string endpoint) {
  if (endpoint.starts_with(kHttps)) endpoint.erase(0, kHttps.size());
  const size_t colon = endpoint.rfind(':');
  if (colon != std::string::npos && colon > 0 && endpoint.back() != ':' &&
      endpoint.find('/') == std::string::npos) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("registry: \"", endpoint,
                                                 "\" must be HOST:PORT or https://HOST:PORT, as "
                                                 "10.0.0.1:2379"));
}

// gRPC's readers wait at a pipe, end the process at an empty file, and do not say which it was.
absl::Status CheckFiles(const EtcdFiles& files) {
  if (files.ca.empty()) return absl::OkStatus();
  if (files.cert.empty()) {
    constexpr size_t kMaxPemBytes = 1 << 20;
    absl::Status file = CheckRegularFile(files.ca, kMaxPemBytes);
    if (file.ok()) {
      WL_ASSIGN_OR_RETURN(const std::string text, ReadFile(files.ca, kMaxPemBytes));
      if (!tls::CertificatesOf(text).empty()) return absl::OkStatus();
      file = absl::InvalidArgumentError(files.ca + " holds no certificates in PEM form");
    }
    return {file.code(), absl::StrCat("registry: ca: ", file.message())};
  }
  const absl::Status pair =
      tls::Credentials::Load({.cert = files.cert,
                              .key = files.key,
                              .ca = files.ca,
                              .trust_domain = "of.etcd"},  // whose names are not checked
                             {})
          .status();
  if (pair.ok()) return pair;
  return absl::InvalidArgumentError(
      absl::StrCat("registry: ", absl::StripPrefix(pair.message(), "tls.")));
}

// All members speak TLS or none does, and files are for those that do.
absl::Status CheckTls(const RegistryAddress& address) {
  const auto https =
      std::count_if(address.endpoints.begin(), address.endpoints.end(),
                    [](const std::string& endpoint) { return endpoint.starts_with(kHttps); });
  if (https > 0 && static_cast<size_t>(https) < address.endpoints.size()) {
    return absl::InvalidArgumentError(
        "registry: either all endpoints of etcd are https:// or none");
  }
  const EtcdFiles& files = address.tls;
  if (https == 0 && !(files.ca + files.cert + files.key).empty()) {
    return absl::InvalidArgumentError(
        "registry: ca, cert and key are for https:// endpoints of etcd; these are plain");
  }
  if (files.cert.empty() != files.key.empty()) {
    return absl::InvalidArgumentError("registry: cert and key go together");
  }
  if (!files.cert.empty() && files.ca.empty()) {
    return absl::InvalidArgumentError("registry: cert and key need ca");
  }
  return CheckFiles(files);
}

}  // namespace

absl::StatusOr<RegistryAddress> ParseAddress(std::string_view text) {
  RegistryAddress address;
  if (text.starts_with(kFile) && text.size() > kFile.size()) {
    address.file = text.substr(kFile.size());
    return address;
  }
  if (!text.starts_with(kEtcd)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "registry is \"", Absl(text),
        "\", must be etcd=HOST:PORT,HOST:PORT, etcd=https://HOST:PORT,... or file=PATH"));
  }
  address.endpoints = absl::StrSplit(Absl(text.substr(kEtcd.size())), ',');
  return address;
}

absl::Status CheckAddress(const RegistryAddress& address) {
  if (!address.file.empty()) return ReadMembers(address.file).status();
  if (address.endpoints.empty() || address.endpoints.size() > kMaxEndpoints) {
    return absl::InvalidArgumentError(
        absl::StrCat("registry: needs 1 to ", kMaxEndpoints, " endpoints of etcd"));
  }
  for (const std::string& endpoint : address.endpoints) WL_RETURN_IF_ERROR(CheckEndpoint(endpoint));
  WL_RETURN_IF_ERROR(CheckTls(address));
  WL_RETURN_IF_ERROR(membership::CheckName("cloud", address.cloud));
  if (!address.prefix.starts_with('/') || address.prefix.ends_with('/')) {
    return absl::InvalidArgumentError(absl::StrCat("registry: prefix is \"", address.prefix,
                                                   "\", must begin with / and not end with one"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<membership::Registry>> OpenRegistry(
    const RegistryAddress& address, std::function<void(const std::string&)> on_remark) {
  WL_RETURN_IF_ERROR(CheckAddress(address));
  if (!address.file.empty()) return OpenFileRegistry(address.file);
  return OpenEtcdRegistry({.endpoints = address.endpoints,
                           .tls = address.tls,
                           .prefix = address.prefix,
                           .cloud = address.cloud,
                           .ttl_s = address.ttl_s,
                           .on_remark = std::move(on_remark)});
}

}  // namespace waferline::registry
