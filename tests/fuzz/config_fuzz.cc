// fuzzes: server/config scheduler/fleet/config
// Any text as a server's configuration and as a fleet's: a configuration, or all of its faults by
// name. One without faults is read the same again.
#include <cstdint>
#include <string_view>

#include "scheduler/fleet/config/fleet_config.h"
#include "server/config/server_config.h"
#include "wafer_backend/base/check.h"

namespace waferline {
namespace {

void CheckFault(const absl::Status& status) {
  WL_CHECK(absl::IsInvalidArgument(status) && !status.message().empty());
}

void Read(std::string_view text) {
  const config::ReadServerConfig read = config::ReadServerConfigText("fuzz.yaml", text);
  const auto parsed = config::ParseServerConfig("fuzz.yaml", text);
  WL_CHECK(parsed.ok() == read.faults.ok());
  if (!parsed.ok()) CheckFault(read.faults);
  if (parsed.ok()) WL_CHECK(parsed->models.size() == read.config.models.size());
  const auto fleet = fleet::ParseFleetConfig("fuzz.yaml", text);
  if (!fleet.ok()) CheckFault(fleet.status());
  if (fleet.ok()) WL_CHECK(!fleet->models.empty());
}

}  // namespace
}  // namespace waferline

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  waferline::Read({reinterpret_cast<const char*>(data), size});
  return 0;
}
