#include "scheduler/fleet/split_unit.h"

#include <cmath>
#include <optional>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/silicon/hardware_file.h"
#include "wafer_backend/hardware/timing/profile_file.h"

namespace waferline::fleet {
namespace {

struct SideQuestion {
  const SideConfig& config;
  const timing::ModelSizes& shape;
  timing::LayerPart part;
  Tokens context;
};

absl::StatusOr<placement::SplitSide> SideOf(const SideQuestion& question, std::string* label) {
  const SideConfig& config = question.config;
  WL_ASSIGN_OR_RETURN(const silicon::Hardware hardware, silicon::LoadHardware(config.hardware));
  std::optional<timing::Profile> profile;
  if (hardware.wafer() != nullptr) {
    if (config.devices != 0) {
      return absl::InvalidArgumentError("devices has no effect on wafers; state wafers");
    }
    WL_ASSIGN_OR_RETURN(profile, timing::LoadProfile(config.profile));
  } else if (config.wafers != 0 || !config.profile.empty()) {
    return absl::InvalidArgumentError(
        "profile and wafers have no effect on accelerators; state devices");
  }
  WL_ASSIGN_OR_RETURN(placement::SplitSide side,
                      placement::SideOf({.shape = question.shape,
                                         .hardware = hardware,
                                         .profile = profile ? &*profile : nullptr,
                                         .part = question.part,
                                         .devices = profile ? config.wafers : config.devices,
                                         .context = question.context.count()}));
  *label = absl::StrCat(side.devices, " x ", hardware.name,
                        profile ? absl::StrCat(" (", profile->name, ")") : "");
  return side;
}

absl::Status Named(const char* field, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat(field, ": ", status.message()));
}

void AddMemory(const placement::SplitSide& side, Tokens page, std::vector<ShardMemory>* memory) {
  for (const placement::SideMemory& one : side.memory) {
    const auto page_bytes = static_cast<int64_t>(one.kv_bytes_per_position * page.as_double());
    memory->push_back({.capacity = Bytes(static_cast<int64_t>(one.capacity_bytes)),
                       .weights = Bytes(static_cast<int64_t>(std::ceil(one.weight_bytes))),
                       .buffers = Bytes(),
                       .kv_per_page = Bytes(page_bytes),
                       .page_tokens = page});
  }
}

}  // namespace

absl::StatusOr<SplitUnit> SplitUnitOf(const SplitConfig& config, const timing::ModelSizes& shape,
                                      Tokens context, Tokens page) {
  std::string attention_label, ffn_label;
  auto attention =
      SideOf({config.attention, shape, timing::LayerPart::kAttention, context}, &attention_label);
  WL_RETURN_IF_ERROR(Named("attention", attention.status()));
  auto ffn = SideOf({config.ffn, shape, timing::LayerPart::kFeedForward, context}, &ffn_label);
  WL_RETURN_IF_ERROR(Named("ffn", ffn.status()));
  SplitUnit unit;
  AddMemory(*attention, page, &unit.memory);
  AddMemory(*ffn, page, &unit.memory);
  unit.label = absl::StrCat("attention on ", attention_label, ", feed-forward on ", ffn_label);
  unit.model = {.kind_of = timing::LayersOf(shape).kind_of,
                .attention = *std::move(attention),
                .ffn = *std::move(ffn),
                .state = {shape.hidden, config.a2f_bytes_per_value, config.f2a_bytes_per_value},
                .link_bytes_per_second = config.link_bytes_per_second,
                .link_latency = config.link_latency,
                .micro_batches = config.micro_batches};
  return unit;
}

}  // namespace waferline::fleet
