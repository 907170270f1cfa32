// `engine_api` of a server's configuration: engine protocols of others on the gRPC port.
#pragma once

#include <string>

#include "wafer_backend/base/yaml_form.h"

namespace waferline::config {

struct EngineApiConfig {
  bool vllm = false;         // vllm.Inference and vllm.Control
  std::string model;         // the one that these protocols serve; "": the only one
  std::string model_source;  // "": the model's name
};

// The mapping at `engine_api`, if it is there.
EngineApiConfig ReadEngineApi(YamlForm& root);

}  // namespace waferline::config
