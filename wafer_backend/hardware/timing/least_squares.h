// Fits positive parameters to relative errors: Levenberg-Marquardt over the parameters' logarithms
// (Marquardt, J. SIAM 11, 1963), small and dense. Deterministic; any thread. Cost: a few dozen
// evaluations of `error` per parameter and point.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/statusor.h"

namespace waferline::timing {

struct FitProblem {
  std::vector<double> start;  // positive; a parameter that no point depends on stays there
  int points = 0;
  // predicted / measured - 1 of one point under these parameters; must be finite.
  std::function<double(const std::vector<double>& parameters, int point)> error;
};

struct FitResult {
  std::vector<double> parameters;
  std::vector<double> standard_errors;  // at most the parameter itself
  double spread = 0;                    // root mean square of the errors, per degree of freedom
};

// InvalidArgument if there are fewer points than parameters or an error is not finite.
absl::StatusOr<FitResult> Fit(const FitProblem& problem);

// For each point, its error under the fit without its group. InvalidArgument if a group leaves too
// few points.
absl::StatusOr<std::vector<double>> LeaveGroupOutErrors(const FitProblem& problem,
                                                        const std::vector<int64_t>& group_of);
// The same with each point a group of its own.
absl::StatusOr<std::vector<double>> LeaveOneOutErrors(const FitProblem& problem);

}  // namespace waferline::timing
