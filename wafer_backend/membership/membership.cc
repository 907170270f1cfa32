#include "wafer_backend/membership/membership.h"

#include <algorithm>
#include <cctype>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "wafer_backend/base/strings.h"

namespace waferline::membership {

std::string_view RoleName(Role role) { return role == Role::kShard ? "shard" : "prefill"; }

absl::StatusOr<Role> RoleOf(std::string_view name) {
  if (name == "shard") return Role::kShard;
  if (name == "prefill") return Role::kPrefill;
  return absl::InvalidArgumentError(
      absl::StrCat("role is \"", Absl(name), "\", must be shard or prefill"));
}

std::string TextOf(const std::optional<Layers>& layers) {
  return layers ? absl::StrCat(layers->first, ":", layers->end) : "any";
}

absl::StatusOr<std::optional<Layers>> LayersOf(std::string_view text) {
  if (text == "any") return std::optional<Layers>();
  const size_t colon = text.find(':');
  Layers layers;
  if (colon == std::string_view::npos ||
      !absl::SimpleAtoi(Absl(text.substr(0, colon)), &layers.first) ||
      !absl::SimpleAtoi(Absl(text.substr(colon + 1)), &layers.end) || layers.first >= layers.end) {
    return absl::InvalidArgumentError(
        absl::StrCat("layers are \"", Absl(text), "\", must be any, or FIRST:END as 0:4"));
  }
  return std::optional<Layers>(layers);
}

absl::Status CheckName(std::string_view what, std::string_view name) {
  const auto allowed = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.';
  };
  if (!name.empty() && name.size() <= kMaxNameBytes &&
      std::all_of(name.begin(), name.end(), allowed)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(Absl(what), " is \"", Absl(name),
                                                 "\", must be 1 to ", kMaxNameBytes,
                                                 " letters, digits, '-', '_' or '.'"));
}

}  // namespace waferline::membership
