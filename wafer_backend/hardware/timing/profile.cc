#include "wafer_backend/hardware/timing/profile.h"

#include <algorithm>
#include <cmath>

namespace waferline::timing {

std::span<const ConstantField> ConstantFields() {
  using K = KernelConstants;
  static constexpr ConstantField kFields[] = {
      {"mac_cycles", &K::mac_cycles},
      {"hand_over_cycles", &K::hand_over_cycles},
      {"gemv_start_cycles", &K::gemv_start_cycles},
      {"chain_start_cycles", &K::chain_start_cycles},
      {"gemm_step_cycles", &K::gemm_step_cycles},
      {"gemm_column_cycles", &K::gemm_column_cycles},
      {"layer_start_cycles", &K::layer_start_cycles},
      {"layer_column_cycles", &K::layer_column_cycles},
      {"four_lane_scale", &K::four_lane_scale},
      {"layer_scale", &K::layer_scale},
  };
  return kFields;
}

namespace {

std::vector<double> SortedErrors(const std::vector<Residual>& residuals) {
  std::vector<double> errors;
  for (const Residual& r : residuals) {
    errors.push_back(std::abs(r.error_percent()));
  }
  std::sort(errors.begin(), errors.end());
  return errors;
}

}  // namespace

double MedianErrorPercent(const std::vector<Residual>& residuals) {
  const std::vector<double> errors = SortedErrors(residuals);
  if (errors.empty()) return 0;
  return (errors[(errors.size() - 1) / 2] + errors[errors.size() / 2]) / 2;
}

double WorstErrorPercent(const std::vector<Residual>& residuals) {
  const std::vector<double> errors = SortedErrors(residuals);
  return errors.empty() ? 0 : errors.back();
}

}  // namespace waferline::timing
