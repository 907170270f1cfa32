#include "scheduler/fleet/config/fault_request.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/field_error.h"
#include "wafer_backend/base/name_table.h"
#include "wafer_backend/base/number_text.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/hardware/placement/placement.h"

namespace waferline::fleet {
namespace {

using Kind = engine::Fault::Kind;
using placement::FaultKind;
using Request = FaultRequest;

// A set of kinds, of both tables.
template <typename... Kinds>
constexpr uint32_t Of(Kinds... kinds) {
  const auto bit = [](auto kind) {
    constexpr int kFirst = std::is_same_v<decltype(kind), FaultKind> ? 16 : 0;
    return uint32_t{1} << (kFirst + static_cast<int>(kind));
  };
  return (bit(kinds) | ...);
}

constexpr FaultField kFields[] = {{"factor", &Request::factor, false},
                                  {"stage", &Request::stage, true},
                                  {"place", &Request::place, true},
                                  {"column", &Request::column, true},
                                  {"row", &Request::row, true},
                                  {"links", &Request::links, true},
                                  {"spare_wafers", &Request::spare_wafers, true},
                                  {"watts", &Request::watts, false},
                                  {"clock_share", &Request::clock_share, false}};

// `kinds` take the field, within [min, max].
struct Rule {
  std::optional<double> FaultRequest::*value;
  uint32_t kinds;
  double min, max;
  bool needed;
};
constexpr uint32_t kOnMesh = Of(FaultKind::kCore, FaultKind::kRow, FaultKind::kDie);
constexpr uint32_t kOfOneWafer =
    kOnMesh | Of(FaultKind::kWafer, FaultKind::kLink, FaultKind::kThermal);
constexpr Rule kRules[] = {
    {&Request::factor,
     Of(Kind::kWorkerSpeed, Kind::kUnitSpeed, Kind::kStageSpeed, Kind::kAttentionSide,
        Kind::kFfnSide),
     1, 1e6, true},
    {&Request::factor, Of(Kind::kLinkSpeed), 0, 1, true},
    {&Request::stage, Of(Kind::kStageSpeed), 0, 1 << 20, true},
    {&Request::place, kOfOneWafer, 0, placement::kMaxWafers - 1, false},
    {&Request::column, kOnMesh, -1, 65535, false},
    {&Request::row, kOnMesh, -1, 65535, false},
    {&Request::links, Of(FaultKind::kLink), 1, 1024, false},
    {&Request::spare_wafers, kOnMesh | Of(FaultKind::kWafer), 0, 4096, false},
    {&Request::watts, Of(FaultKind::kPowerCap), 1, 1e9, true},
    {&Request::clock_share, Of(FaultKind::kThermal), 0.01, 1, true}};

absl::Status CheckField(const FaultField& field, const FaultRequest& request, uint32_t kind) {
  const auto* rule = std::find_if(std::begin(kRules), std::end(kRules), [&](const Rule& one) {
    return one.value == field.value && (one.kinds & kind) != 0;
  });
  const std::optional<double>& value = request.*field.value;
  std::string wrong;
  if (rule == std::end(kRules)) {
    if (value) wrong = absl::StrCat("has no meaning for ", request.kind);
  } else if (!value) {
    if (rule->needed) wrong = absl::StrCat("is missing: ", request.kind, " needs it");
  } else if (!(*value >= rule->min && *value <= rule->max)) {
    wrong = OutOfRangeText(*value, rule->min, rule->max);
  } else if (field.whole && *value != std::floor(*value)) {
    wrong = absl::StrCat("is ", NumberText(*value), ", must be a whole number");
  }
  if (wrong.empty()) return absl::OkStatus();
  return WithField(absl::InvalidArgumentError(wrong), field.name);
}

placement::HardwareFault HardwareFaultOf(FaultKind kind, const FaultRequest& request) {
  placement::HardwareFault fault{.kind = kind};
  const auto set = [](const std::optional<double>& value, auto* target) {
    if (value) *target = static_cast<std::remove_pointer_t<decltype(target)>>(*value);
  };
  set(request.place, &fault.place);
  set(request.column, &fault.column);
  set(request.row, &fault.row);
  set(request.links, &fault.links);
  set(request.watts, &fault.watts);
  set(request.clock_share, &fault.clock_share);
  return fault;
}

}  // namespace

std::span<const FaultField> FaultFields() { return kFields; }

std::vector<std::string_view> FaultNames() {
  std::vector<std::string_view> names = NamesOf(engine::kFaultNames);
  for (const auto& [name, kind] : placement::kFaultNames) names.push_back(name);
  return names;
}

absl::StatusOr<CheckedFault> CheckFault(const FaultRequest& request) {
  const std::optional<Kind> scheduled = ValueNamed(engine::kFaultNames, request.kind);
  const std::optional<FaultKind> hardware = ValueNamed(placement::kFaultNames, request.kind);
  if (!scheduled && !hardware) {
    return WithField(absl::InvalidArgumentError(NotOneOf(request.kind, FaultNames())), "fault");
  }
  for (const FaultField& field : kFields) {
    WL_RETURN_IF_ERROR(CheckField(field, request, scheduled ? Of(*scheduled) : Of(*hardware)));
  }
  CheckedFault out{.fault = {.index = {request.index}}};
  if (scheduled) {
    out.fault.kind = *scheduled;
    out.fault.factor = request.factor.value_or(1);
    out.fault.stage = static_cast<uint32_t>(request.stage.value_or(0));
  } else {
    out.hardware = HardwareFaultOf(*hardware, request);
    out.spare_wafers = static_cast<int>(request.spare_wafers.value_or(1));
  }
  return out;
}

}  // namespace waferline::fleet
