#include "wafer_backend/hardware/timing/serving_rate.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"
#include "wafer_backend/base/status.h"

namespace waferline::timing {
namespace {

absl::StatusOr<int64_t> SequencesOf(const BatchCosts& costs, double memory_bytes,
                                    const ServingLoad& load) {
  const double length = static_cast<double>(load.prompt + load.generate);
  const double memory = (memory_bytes - costs.weight_bytes) * load.memory_share;
  const double fit = std::floor(memory / (costs.kv_bytes_per_position * length));
  if (fit < 1) {
    return absl::ResourceExhaustedError(absl::StrFormat(
        "weights of %.4g GB and a sequence of %.0f positions do not fit into %.4g GB",
        costs.weight_bytes / 1e9, length, memory_bytes / 1e9));
  }
  // Each step takes as many prompt tokens as keep up with the tokens that it makes.
  const auto keep_up = static_cast<int64_t>(static_cast<double>(load.step_tokens) *
                                            static_cast<double>(load.generate) / length);
  const int64_t most = std::min({load.max_sequences, static_cast<int64_t>(std::min(fit, 1e9)),
                                 std::max<int64_t>(1, keep_up)});
  return load.users > 0 ? std::min(load.users, most) : most;
}

}  // namespace

double FirstTokenSeconds(const BatchCosts& costs, const ServingLoad& load) {
  double seconds = 0;
  for (int64_t before = 0; before < load.prompt; before += load.step_tokens) {
    Rows rows;
    rows.AddChunk(static_cast<double>(std::min(load.step_tokens, load.prompt - before)),
                  static_cast<double>(before));
    seconds += costs.StepSeconds(rows, 1);
  }
  return seconds;
}

absl::StatusOr<ServingRate> ServingRateOf(const BatchCosts& costs, double memory_bytes,
                                          const ServingLoad& load) {
  ServingRate rate;
  WL_ASSIGN_OR_RETURN(rate.sequences, SequencesOf(costs, memory_bytes, load));
  const auto n = static_cast<double>(rate.sequences);
  const auto prompt = static_cast<double>(load.prompt),
             generate = static_cast<double>(load.generate);
  Rows decode;
  decode.Add({n, n * (prompt + generate / 2)});  // of middling length
  rate.token_seconds = costs.StepSeconds(decode, n);

  const double prompts = n * prompt;
  const double steps =
      std::clamp(prompts / static_cast<double>(load.step_tokens), std::min(n, generate), generate);
  const double chunk = prompts / steps;
  Rows mixed = decode;
  mixed.rows += chunk;
  mixed.sequences += chunk / prompt;
  mixed.positions += chunk;
  mixed.pairs += chunk * prompt / 2;
  const double with_prompts = costs.StepSeconds(mixed, n + chunk / prompt);
  rate.tokens_per_second =
      n * generate / (steps * with_prompts + (generate - steps) * rate.token_seconds);
  rate.first_token_seconds = FirstTokenSeconds(costs, load);
  return rate;
}

}  // namespace waferline::timing
