// `engine_api` of a server's configuration: engine protocols of others on the gRPC port.
#pragma once

#include <string>

#include "wafer_backend/base/yaml_form.h"

namespace waferline::config {

struct EngineApiConfig {
  bool vllm = false;         // vllm.Inference and vllm.Control
  bool openengine = false;   // openengine.v1.Inference and openengine.v1.Control
  bool smg = false;          // vllm.grpc.engine.VllmEngine
  std::string model;         // the one that these protocols serve; "": the only one
  std::string model_source;  // "": the model's name
  std::string advertise;     // host by which routers reach what kv_events binds
  bool any() const { return vllm || openengine || smg; }
};

// The mapping at `engine_api`, if it is there.
EngineApiConfig ReadEngineApi(YamlForm& root);

}  // namespace waferline::config
