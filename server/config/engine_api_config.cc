#include "server/config/engine_api_config.h"

#include "wafer_backend/base/yaml_optional.h"

namespace waferline::config {

EngineApiConfig ReadEngineApi(YamlForm& root) {
  EngineApiConfig out;
  if (!root.About("engine protocols for routers, on the gRPC port").Has("engine_api")) return out;
  YamlForm form = root.Map("engine_api");
  out.vllm = form.About("vllm.Inference and vllm.Control").Flag("vllm", false);
  out.openengine =
      form.About("openengine.v1.Inference and openengine.v1.Control").Flag("openengine", false);
  out.smg = form.About("vllm.grpc.engine.VllmEngine, as SMG speaks it").Flag("smg", false);
  out.advertise = TextOr(form.About("host by which routers reach the publishers of kv_events"),
                         "advertise", "127.0.0.1");
  out.model = TextOr(form.About("the one that they serve; may be left out if there is one only"),
                     "model", "");
  out.model_source = TextOr(form.About("folder or repository with the tokenizer's files, for "
                                       "routers; the model's name if not given"),
                            "model_source", "");
  form.RefuseOthers();
  return out;
}

}  // namespace waferline::config
