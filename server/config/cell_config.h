// `cell` of a server's configuration: which cell of a cloud of several hosts it is a front end of,
// and where the members find each other.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "wafer_backend/base/yaml_form.h"

namespace waferline::config {

struct CellConfig {
  std::string name;
  std::string id;         // of this front end; "": HOST:PORT of its HTTP
  std::string advertise;  // host:port at which clients of other hosts reach its HTTP
  std::string cloud = "default";
  std::string file;                    // of members; "": etcd
  std::vector<std::string> endpoints;  // of etcd; host:port
  std::string prefix = "/waferline/1";
  int ttl_s = 5;
  std::string ca, cert, key;  // PEM, for https endpoints; ca "": the system's
  // Of each model whose workers the registry lists.
  int shards = 1;           // among how many workers with --layers any its layers are cut
  int prefill_workers = 1;  // of each chain
  int chains = 1;           // on each of which the whole model is
  int standbys = 1;         // shards beyond the chain that are kept for it
};

// The mapping at `cell`, if it is there. A relative path starts at `folder`.
std::optional<CellConfig> ReadCell(YamlForm& root, const std::filesystem::path& folder);

// A list of workers, each an address, which is `what`.
std::vector<std::string> ReadAddresses(YamlForm* form, const char* list, const char* what);

}  // namespace waferline::config
