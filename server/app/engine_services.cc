#include "server/app/engine_services.h"

#include "absl/strings/str_cat.h"
#include "server/engines/vllm_services.h"
#include "server/runtime/host.h"

namespace waferline::app {

std::vector<rpc::ExtraService> EngineServices(const config::EngineApiConfig& config,
                                              const Cloud& cloud) {
  if (!config.vllm) return {};
  const ModelCapacity capacity = cloud.CapacityOf(config.model);
  return engines::VllmServices(
      {.model = config.model,
       .model_source = config.model_source,
       .version = WAFERLINE_VERSION,
       .instance = absl::StrCat(absl::Hex(runtime::RandomSeed(), absl::kZeroPad16)),
       .block_tokens = static_cast<uint32_t>(capacity.block_tokens.count()),
       .kv_blocks = static_cast<uint64_t>(capacity.kv_blocks),
       .max_running = static_cast<uint64_t>(capacity.max_running)});
}

}  // namespace waferline::app
