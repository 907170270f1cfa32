#include "server/registry/open_registry.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/registry/etcd_registry.h"
#include "server/registry/file_registry.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::registry {
namespace {

constexpr std::string_view kEtcd = "etcd=";
constexpr std::string_view kFile = "file=";
constexpr size_t kMaxEndpoints = 16;

absl::Status CheckEndpoint(const std::string& endpoint) {
  if (endpoint.find("://") != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("registry: \"", endpoint,
                     "\" must be HOST:PORT, without a scheme: etcd is spoken to in "
                     "plain text"));
  }
  if (endpoint.rfind(':') != std::string::npos && endpoint.back() != ':') return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("registry: \"", endpoint, "\" must be HOST:PORT, as 10.0.0.1:2379"));
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
        "registry is \"", Absl(text), "\", must be etcd=HOST:PORT,HOST:PORT or file=PATH"));
  }
  address.endpoints = absl::StrSplit(Absl(text.substr(kEtcd.size())), ',');
  return address;
}

absl::StatusOr<std::unique_ptr<membership::Registry>> OpenRegistry(
    const RegistryAddress& address, std::function<void(const std::string&)> on_remark) {
  if (!address.file.empty()) return OpenFileRegistry(address.file);
  if (address.endpoints.empty() || address.endpoints.size() > kMaxEndpoints) {
    return absl::InvalidArgumentError(
        absl::StrCat("registry: needs 1 to ", kMaxEndpoints, " endpoints of etcd"));
  }
  for (const std::string& endpoint : address.endpoints) WL_RETURN_IF_ERROR(CheckEndpoint(endpoint));
  WL_RETURN_IF_ERROR(membership::CheckName("cloud", address.cloud));
  if (!address.prefix.starts_with('/') || address.prefix.ends_with('/')) {
    return absl::InvalidArgumentError(absl::StrCat("registry: prefix is \"", address.prefix,
                                                   "\", must begin with / and not end with one"));
  }
  return OpenEtcdRegistry({.endpoints = address.endpoints,
                           .prefix = address.prefix,
                           .cloud = address.cloud,
                           .ttl_s = address.ttl_s,
                           .on_remark = std::move(on_remark)});
}

}  // namespace waferline::registry
