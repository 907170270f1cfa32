// `kv_events` of a server's configuration: where it publishes which blocks of prompts are cached.
#pragma once

#include <string>
#include <vector>

#include "wafer_backend/base/yaml_form.h"

namespace waferline::config {

struct KvEventsConfig {
  std::string model;   // "": the first one
  std::string bind;    // of the PUB socket
  std::string topic;   // before each message
  std::string replay;  // of the ROUTER socket; "": none
};

// The list at `kv_events`, if it is there.
std::vector<KvEventsConfig> ReadKvEvents(YamlForm& root);

}  // namespace waferline::config
