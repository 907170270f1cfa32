#include "wafer_backend/hardware/timing/least_squares.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <set>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"

namespace waferline::timing {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr int kMaxSteps = 200;

// The errors of some of a problem's points, over the parameters' logarithms.
struct Work {
  const FitProblem& problem;
  const std::vector<int>& points;

  std::vector<double> Parameters(const VectorXd& logs) const {
    std::vector<double> p(static_cast<size_t>(logs.size()));
    for (size_t i = 0; i < p.size(); ++i) p[i] = std::exp(logs[static_cast<Eigen::Index>(i)]);
    return p;
  }
  VectorXd Errors(const VectorXd& logs) const {
    const std::vector<double> p = Parameters(logs);
    VectorXd e(static_cast<Eigen::Index>(points.size()));
    for (Eigen::Index i = 0; i < e.size(); ++i) {
      e[i] = problem.error(p, points[static_cast<size_t>(i)]);
    }
    return e;
  }
  // Points by parameters: the errors' derivatives, by central differences.
  MatrixXd Jacobian(const VectorXd& logs) const {
    constexpr double kStep = 1e-5;
    MatrixXd jacobian(static_cast<Eigen::Index>(points.size()), logs.size());
    for (Eigen::Index k = 0; k < logs.size(); ++k) {
      VectorXd up = logs, down = logs;
      up[k] += kStep;
      down[k] -= kStep;
      jacobian.col(k) = (Errors(up) - Errors(down)) / (2 * kStep);
    }
    return jacobian;
  }
};

absl::StatusOr<FitResult> FitPoints(const FitProblem& problem, const std::vector<int>& points) {
  const Work work{problem, points};
  VectorXd logs(static_cast<Eigen::Index>(problem.start.size()));
  for (Eigen::Index i = 0; i < logs.size(); ++i) {
    logs[i] = std::log(problem.start[static_cast<size_t>(i)]);
  }
  VectorXd e = work.Errors(logs);
  double cost = e.squaredNorm();
  if (!std::isfinite(cost)) return absl::InvalidArgumentError("the fit starts outside its model");
  double damping = 1e-3;
  for (int step = 0; step < kMaxSteps && damping < 1e12; ++step) {
    const MatrixXd jacobian = work.Jacobian(logs);
    MatrixXd normal = jacobian.transpose() * jacobian;
    normal.diagonal() += damping * (normal.diagonal().array() + 1e-12).matrix();
    const VectorXd move = normal.ldlt().solve(-jacobian.transpose() * e);
    const VectorXd next = logs + move.cwiseMin(1.0).cwiseMax(-1.0);
    const VectorXd next_e = work.Errors(next);
    const double next_cost = next_e.squaredNorm();
    if (!(next_cost < cost)) {  // also if it is not finite
      damping *= 10;
      continue;
    }
    const bool done = cost - next_cost < 1e-13 * cost;
    logs = next;
    e = next_e;
    cost = next_cost;
    damping = std::max(damping / 10, 1e-12);
    if (done) break;
  }
  FitResult result;
  result.parameters = work.Parameters(logs);
  const double freedom = static_cast<double>(points.size()) - static_cast<double>(logs.size());
  result.spread = std::sqrt(cost / std::max(1.0, freedom));
  const MatrixXd jacobian = work.Jacobian(logs);
  MatrixXd normal = jacobian.transpose() * jacobian;
  normal.diagonal().array() += 1e-9;
  // The covariance in units of the spread's square.
  const MatrixXd inverse = normal.ldlt().solve(MatrixXd::Identity(logs.size(), logs.size()));
  for (Eigen::Index i = 0; i < logs.size(); ++i) {
    const double relative = result.spread * std::sqrt(std::max(0.0, inverse(i, i)));
    result.standard_errors.push_back(result.parameters[static_cast<size_t>(i)] *
                                     std::min(1.0, relative));
  }
  return result;
}

}  // namespace

absl::StatusOr<FitResult> Fit(const FitProblem& problem) {
  if (problem.points < static_cast<int>(problem.start.size())) {
    return absl::InvalidArgumentError(
        absl::StrCat(problem.points, " points cannot fit ", problem.start.size(), " constants"));
  }
  std::vector<int> points;
  for (int i = 0; i < problem.points; ++i) points.push_back(i);
  return FitPoints(problem, points);
}

absl::StatusOr<std::vector<double>> LeaveGroupOutErrors(const FitProblem& problem,
                                                        const std::vector<int64_t>& group_of) {
  std::vector<double> errors(group_of.size(), 0.0);
  WL_ASSIGN_OR_RETURN(const FitResult whole, Fit(problem));
  FitProblem from_whole = problem;
  from_whole.start = whole.parameters;
  for (const int64_t group : std::set<int64_t>(group_of.begin(), group_of.end())) {
    std::vector<int> kept;
    for (int i = 0; i < problem.points; ++i) {
      if (group_of[static_cast<size_t>(i)] != group) kept.push_back(i);
    }
    if (kept.size() < problem.start.size()) {
      return absl::InvalidArgumentError(absl::StrCat(kept.size(), " points without group ", group,
                                                     " cannot fit ", problem.start.size(),
                                                     " constants"));
    }
    WL_ASSIGN_OR_RETURN(const FitResult fit, FitPoints(from_whole, kept));
    for (int i = 0; i < problem.points; ++i) {
      if (group_of[static_cast<size_t>(i)] == group) {
        errors[static_cast<size_t>(i)] = problem.error(fit.parameters, i);
      }
    }
  }
  return errors;
}

absl::StatusOr<std::vector<double>> LeaveOneOutErrors(const FitProblem& problem) {
  std::vector<int64_t> own;
  for (int i = 0; i < problem.points; ++i) own.push_back(i);
  return LeaveGroupOutErrors(problem, own);
}

}  // namespace waferline::timing
