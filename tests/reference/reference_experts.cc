#include "tests/reference/reference_experts.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace waferline::reference {
namespace {

using Row = std::vector<double>;

Row Scores(const ExpertsRecipe& recipe, const Row& logits) {
  Row scores;
  double sum = 0;
  for (const double logit : logits) sum += std::exp(logit);
  for (const double logit : logits) {
    scores.push_back(recipe.sigmoid ? 1 / (1 + std::exp(-logit)) : std::exp(logit) / sum);
  }
  return scores;
}

// The places of the `count` largest.
std::vector<int64_t> Largest(const Row& values, int64_t count) {
  std::vector<int64_t> order(values.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return values[a] > values[b]; });
  order.resize(static_cast<size_t>(count));
  return order;
}

std::vector<int64_t> Chosen(const ExpertsRecipe& recipe, Row ranks) {
  const int64_t size = recipe.count / recipe.groups;
  Row groups;
  for (int64_t g = 0; g < recipe.groups; ++g) {
    Row own(ranks.begin() + g * size, ranks.begin() + (g + 1) * size);
    std::sort(own.rbegin(), own.rend());
    groups.push_back(own[0] + (recipe.two_rank_groups && size > 1 ? own[1] : 0));
  }
  const std::vector<int64_t> best = Largest(groups, recipe.used_groups);
  const std::set<int64_t> open(best.begin(), best.end());
  for (int64_t e = 0; e < recipe.count; ++e) {
    if (!open.contains(e / size)) ranks[e] = -INFINITY;
  }
  return Largest(ranks, recipe.used);
}

// One expert's part `at` of all experts' matrices and biases.
Row Times(const Row& matrices, const Row& biases, int64_t expert, int64_t rows, const Row& x) {
  const auto cols = static_cast<int64_t>(x.size());
  Row y(static_cast<size_t>(rows));
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t row = expert * rows + r;
    y[r] = biases.empty() ? 0 : biases[row];
    for (int64_t c = 0; c < cols; ++c) y[r] += matrices[row * cols + c] * x[c];
  }
  return y;
}

Row Expert(const ExpertsRecipe& recipe, const ExpertsLayer& layer, int64_t expert, const Row& x) {
  Row inner = Times(layer.gate, layer.gate_bias, expert, layer.ffn, x);
  Row up = Times(layer.up, layer.up_bias, expert, layer.ffn, x);
  for (size_t i = 0; i < inner.size(); ++i) {
    if (recipe.clamped) {
      const double gate = std::min(inner[i], 7.0);
      inner[i] = gate / (1 + std::exp(-1.702 * gate)) * (std::clamp(up[i], -7.0, 7.0) + 1);
    } else {
      inner[i] *= up[i] / (1 + std::exp(-inner[i]));
    }
  }
  return Times(layer.down, layer.down_bias, expert, static_cast<int64_t>(x.size()), inner);
}

}  // namespace

Row ExpertsOf(const ExpertsRecipe& recipe, const ExpertsLayer& layer, const Row& logits,
              const Row& x) {
  const Row scores = Scores(recipe, logits);
  Row ranks = scores;
  for (size_t e = 0; e < layer.selection_bias.size(); ++e) ranks[e] += layer.selection_bias[e];
  const std::vector<int64_t> chosen = Chosen(recipe, ranks);
  double sum = 0;
  for (const int64_t e : chosen) sum += scores[e];
  Row y(x.size());
  for (const int64_t e : chosen) {
    const double weight = recipe.scale * scores[e] / (recipe.normalise ? sum : 1);
    Row input = x;
    for (double& value : input) value *= recipe.weigh_inputs ? weight : 1;
    const Row given = Expert(recipe, layer, e, input);
    for (size_t i = 0; i < y.size(); ++i) y[i] += given[i] * (recipe.weigh_inputs ? 1 : weight);
  }
  return y;
}

}  // namespace waferline::reference
