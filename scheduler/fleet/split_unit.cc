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

struct SideFacts {
  std::string label;
  std::optional<timing::Profile> profile;  // of wafers
};

absl::StatusOr<placement::SplitSide> SideOf(const SideQuestion& question, SideFacts* facts) {
  const SideConfig& config = question.config;
  WL_ASSIGN_OR_RETURN(const silicon::Hardware hardware, silicon::LoadHardware(config.hardware));
  std::optional<timing::Profile>& profile = facts->profile;
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
  facts->label = absl::StrCat(side.devices, " x ", hardware.name,
                              profile ? absl::StrCat(" (", profile->name, ")") : "");
  return side;
}

// What the sides' wafers speculate with: one side's profile, or both sides' if they agree.
absl::StatusOr<std::optional<timing::Profile>> SpeculatesOf(const SideFacts& attention,
                                                            const SideFacts& ffn) {
  std::optional<timing::Profile> found;
  for (const SideFacts* side : {&attention, &ffn}) {
    if (!side->profile || side->profile->tokens_per_step.value <= 1) continue;
    if (found && (found->tokens_per_step.value != side->profile->tokens_per_step.value ||
                  found->draft_seconds.value != side->profile->draft_seconds.value)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the sides' profiles ", found->name, " and ", side->profile->name,
                       " speculate differently; give both sides one of them"));
    }
    found = side->profile;
  }
  return found;
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
  SideFacts attention_facts, ffn_facts;
  auto attention =
      SideOf({config.attention, shape, timing::LayerPart::kAttention, context}, &attention_facts);
  WL_RETURN_IF_ERROR(Named("attention", attention.status()));
  auto ffn = SideOf({config.ffn, shape, timing::LayerPart::kFeedForward, context}, &ffn_facts);
  WL_RETURN_IF_ERROR(Named("ffn", ffn.status()));
  SplitUnit unit;
  WL_ASSIGN_OR_RETURN(unit.speculates, SpeculatesOf(attention_facts, ffn_facts));
  AddMemory(*attention, page, &unit.memory);
  AddMemory(*ffn, page, &unit.memory);
  unit.label =
      absl::StrCat("attention on ", attention_facts.label, ", feed-forward on ", ffn_facts.label);
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
