// A registry by what a configuration or a command line says of it. Any thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/registry/etcd_client.h"
#include "wafer_backend/membership/registry.h"

namespace waferline::registry {

struct RegistryAddress {
  std::string file;                    // of members; else etcd:
  std::vector<std::string> endpoints;  // host:port, or all of them https://host:port
  std::string prefix = "/waferline/1";
  std::string cloud = "default";
  int ttl_s = 5;
  EtcdFiles tls;  // for https
};

// "etcd=HOST:PORT,HOST:PORT", "etcd=https://HOST:PORT,..." or "file=PATH". InvalidArgument says
// what is allowed.
absl::StatusOr<RegistryAddress> ParseAddress(std::string_view text);

// What OpenRegistry would refuse, without opening anything: addresses, names, the TLS files, the
// file of members. "registry: ca: FILE ...": the part of the address that is wrong.
absl::Status CheckAddress(const RegistryAddress& address);

// Errors: names that are not allowed, a file that cannot be read. An etcd that cannot be reached is
// none: it is what the registry's status() says, and attempts go on.
absl::StatusOr<std::unique_ptr<membership::Registry>> OpenRegistry(
    const RegistryAddress& address, std::function<void(const std::string&)> on_remark);

}  // namespace waferline::registry
