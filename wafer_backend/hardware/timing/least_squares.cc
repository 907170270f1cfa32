#include "wafer_backend/hardware/timing/least_squares.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"

namespace waferline::timing {
namespace {

using Vector = std::vector<double>;
using Matrix = std::vector<Vector>;

constexpr int kMaxSteps = 200;

// Gauss with partial pivoting; a column without a pivot leaves its unknown at 0.
Vector Solve(Matrix a, Vector b) {
  const size_t n = b.size();
  for (size_t c = 0; c < n; ++c) {
    size_t pivot = c;
    for (size_t r = c + 1; r < n; ++r) {
      if (std::abs(a[r][c]) > std::abs(a[pivot][c])) pivot = r;
    }
    std::swap(a[c], a[pivot]);
    std::swap(b[c], b[pivot]);
    if (a[c][c] == 0) continue;
    for (size_t r = c + 1; r < n; ++r) {
      const double f = a[r][c] / a[c][c];
      for (size_t k = c; k < n; ++k) a[r][k] -= f * a[c][k];
      b[r] -= f * b[c];
    }
  }
  Vector x(n, 0.0);
  for (size_t c = n; c-- > 0;) {
    if (a[c][c] == 0) continue;
    x[c] = b[c];
    for (size_t k = c + 1; k < n; ++k) x[c] -= a[c][k] * x[k];
    x[c] /= a[c][c];
  }
  return x;
}

struct Work {
  const FitProblem& problem;
  const std::vector<int>& points;

  Vector Parameters(const Vector& logs) const {
    Vector p(logs.size());
    for (size_t i = 0; i < p.size(); ++i) p[i] = std::exp(logs[i]);
    return p;
  }
  Vector Errors(const Vector& logs) const {
    const Vector p = Parameters(logs);
    Vector e;
    for (const int i : points) e.push_back(problem.error(p, i));
    return e;
  }
  // Normal equations: J^T J and -J^T e.
  void Linearise(const Vector& logs, const Vector& e, Matrix* jtj, Vector* rhs) const {
    constexpr double kStep = 1e-5;
    const size_t n = logs.size();
    Matrix columns;
    for (size_t k = 0; k < n; ++k) {
      Vector up = logs, down = logs;
      up[k] += kStep;
      down[k] -= kStep;
      Vector column = Errors(up);
      const Vector below = Errors(down);
      for (size_t i = 0; i < column.size(); ++i) column[i] = (column[i] - below[i]) / (2 * kStep);
      columns.push_back(std::move(column));
    }
    jtj->assign(n, Vector(n, 0.0));
    rhs->assign(n, 0.0);
    for (size_t a = 0; a < n; ++a) {
      for (size_t i = 0; i < e.size(); ++i) (*rhs)[a] -= columns[a][i] * e[i];
      for (size_t b = 0; b < n; ++b) {
        for (size_t i = 0; i < e.size(); ++i) (*jtj)[a][b] += columns[a][i] * columns[b][i];
      }
    }
  }
};

double SumOfSquares(const Vector& v) {
  double sum = 0;
  for (const double x : v) sum += x * x;
  return sum;
}

// Diagonal of the covariance in units of the spread's square.
Vector InverseDiagonal(Matrix jtj) {
  const size_t n = jtj.size();
  for (size_t i = 0; i < n; ++i) jtj[i][i] += 1e-9;
  Vector diagonal;
  for (size_t i = 0; i < n; ++i) {
    Vector unit(n, 0.0);
    unit[i] = 1;
    diagonal.push_back(Solve(jtj, unit)[i]);
  }
  return diagonal;
}

absl::StatusOr<FitResult> FitPoints(const FitProblem& problem, const std::vector<int>& points) {
  const Work work{problem, points};
  Vector logs;
  for (const double p : problem.start) logs.push_back(std::log(p));
  Vector e = work.Errors(logs);
  double cost = SumOfSquares(e);
  if (!std::isfinite(cost)) return absl::InvalidArgumentError("the fit starts outside its model");
  Matrix jtj;
  Vector rhs;
  double damping = 1e-3;
  for (int step = 0; step < kMaxSteps && damping < 1e12; ++step) {
    work.Linearise(logs, e, &jtj, &rhs);
    Matrix damped = jtj;
    for (size_t i = 0; i < logs.size(); ++i) damped[i][i] += damping * (jtj[i][i] + 1e-12);
    const Vector move = Solve(damped, rhs);
    Vector next = logs;
    for (size_t i = 0; i < logs.size(); ++i) next[i] += std::clamp(move[i], -1.0, 1.0);
    const Vector next_e = work.Errors(next);
    const double next_cost = SumOfSquares(next_e);
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
  work.Linearise(logs, e, &jtj, &rhs);
  const Vector inverse = InverseDiagonal(jtj);
  for (size_t i = 0; i < logs.size(); ++i) {
    const double relative = result.spread * std::sqrt(std::max(0.0, inverse[i]));
    result.standard_errors.push_back(result.parameters[i] * std::min(1.0, relative));
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
