#include "client/sdk/fault_kinds.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "wafer_backend/base/name_table.h"

namespace waferline::sdk {
namespace {

// Without deprecated aliases and FAULT_KIND_UNSPECIFIED.
std::vector<v1::FaultKind> Kinds() {
  const auto* all = v1::FaultKind_descriptor();
  std::vector<v1::FaultKind> kinds;
  for (int i = 0; i < all->value_count(); ++i) {
    const int number = all->value(i)->number();
    const bool alias = all->FindValueByNumber(number) != all->value(i);
    if (number == v1::FAULT_KIND_UNSPECIFIED || alias) continue;
    kinds.push_back(static_cast<v1::FaultKind>(number));
  }
  return kinds;
}

}  // namespace

std::string FaultKindName(v1::FaultKind kind) {
  constexpr std::string_view kPrefix = "FAULT_KIND_";
  return absl::AsciiStrToLower(v1::FaultKind_Name(kind).substr(kPrefix.size()));
}

std::vector<std::string> FaultKindNames() {
  std::vector<std::string> names;
  for (const v1::FaultKind kind : Kinds()) names.push_back(FaultKindName(kind));
  return names;
}

absl::StatusOr<v1::FaultKind> ParseFaultKind(std::string_view name) {
  const std::vector<std::string> names = FaultKindNames();
  for (size_t i = 0; i < names.size(); ++i) {
    if (IsName(name, names[i])) return Kinds()[i];
  }
  const std::vector<std::string_view> allowed(names.begin(), names.end());
  return absl::InvalidArgumentError(absl::StrCat("the fault kind ", NotOneOf(name, allowed)));
}

}  // namespace waferline::sdk
