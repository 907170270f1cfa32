#include "server/planner/silicon_yield.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/silicon/hardware_file.h"
#include "wafer_backend/hardware/silicon/wafer_yield.h"

namespace waferline::planner {

absl::StatusOr<Fact> SellableShare(const std::string& name) {
  constexpr int64_t kWafers = 500;
  WL_ASSIGN_OR_RETURN(const silicon::Hardware hardware, silicon::LoadHardware(name));
  const silicon::WaferSpec* const wafer = hardware.wafer();
  if (wafer == nullptr) {
    return absl::InvalidArgumentError(name + " is an accelerator, must be a wafer");
  }
  WL_ASSIGN_OR_RETURN(const silicon::Granularity repair,
                      silicon::ParseGranularity(wafer->repair_granularity.value));
  const auto share = [&](double per_mm2) -> absl::StatusOr<double> {
    silicon::DefectLaw law = silicon::DefectLawOf(*wafer, true);
    law.per_mm2 = per_mm2;
    WL_ASSIGN_OR_RETURN(const silicon::YieldStudy study,
                        silicon::StudyYield(*wafer, {kWafers, repair, law, SeededStream(1)}));
    return study.sellable;
  };
  const Fact& defects = wafer->defects_per_mm2;
  Fact fact{.mark = Mark::kDerived,
            .source = absl::StrCat("the silicon model: ", kWafers, " wafers of ", hardware.name)};
  WL_ASSIGN_OR_RETURN(fact.value, share(defects.value));
  WL_ASSIGN_OR_RETURN(fact.low, share(defects.high));
  WL_ASSIGN_OR_RETURN(fact.high, share(defects.low));
  fact.low = std::min(fact.low, fact.value);
  fact.high = std::max(fact.high, fact.value);
  return fact;
}

}  // namespace waferline::planner
