// The sections of a server's file that say where it listens, how that is protected, and
// where its spans go.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "server/config/server_config.h"
#include "wafer_backend/base/yaml_form.h"

namespace waferline::config {

ListenConfig ReadListen(YamlForm form, const PortFlags& ports);

// The first field of `listen` whose port another one has, at an address where both would listen.
struct PortClash {
  const char* field;  // of `listen`
  std::string what;   // "is 8080, as listen.http_port; ..."
};
std::optional<PortClash> FindPortClash(const ListenConfig& listen);
// Relative paths start at `folder`.
TlsConfig ReadTls(YamlForm form, const std::filesystem::path& folder);
TraceConfig ReadTrace(YamlForm form);
// An error of `root` if other machines reach the server, and there are neither keys nor TLS on
// every port, nor `insecure: true`.
void CheckProtection(const ServerConfig& config, YamlForm* root);

}  // namespace waferline::config
