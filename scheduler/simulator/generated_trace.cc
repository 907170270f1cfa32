#include "scheduler/simulator/generated_trace.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/seeded_stream.h"

namespace waferline::simulator {
namespace {

// Streams of a workload's seed.
enum Draw : uint64_t { kGaps = 1, kPrompts, kOutputs, kPrefixes, kModels };

double Normal(SeededStream* random) {  // Box and Muller, 1958
  const double u = 1 - random->Uniform();
  const double v = random->Uniform();
  return std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
}

// Marsaglia and Tsang, "A simple method for generating gamma variables", 2000; mean is the shape.
double Gamma(double shape, SeededStream* random) {
  if (shape < 1) {
    const double u = 1 - random->Uniform();
    return Gamma(shape + 1, random) * std::pow(u, 1 / shape);
  }
  const double d = shape - 1.0 / 3;
  const double c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = Normal(random);
    const double v = std::pow(1 + c * x, 3);
    if (v <= 0) continue;
    const double u = 1 - random->Uniform();
    if (std::log(u) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
  }
}

// The next arrival after `now_s`.
double NextArrival(const Arrivals& a, double now_s, SeededStream* random) {
  const double mean_s = 1 / a.per_second;
  switch (a.kind) {
    case Arrivals::Kind::kConstant:
      return now_s + mean_s;
    case Arrivals::Kind::kPoisson:
      return now_s + random->Exponential(mean_s);
    case Arrivals::Kind::kGamma: {
      const double shape = 1 / (a.cv * a.cv);
      return now_s + Gamma(shape, random) / shape * mean_s;
    }
    case Arrivals::Kind::kWeibull: {
      const double scale = mean_s / std::tgamma(1 + 1 / a.shape);
      return now_s + scale * std::pow(-std::log1p(-random->Uniform()), 1 / a.shape);
    }
    case Arrivals::Kind::kDiurnal:
      // Thinning (Lewis and Shedler, 1979): candidates at the peak rate, kept by the rate at hand.
      for (;;) {
        now_s += random->Exponential(mean_s / (1 + a.swing));
        const double rate = 1 + a.swing * std::sin(2 * std::numbers::pi * now_s / a.period_s);
        if (random->Uniform() * (1 + a.swing) <= rate) return now_s;
      }
  }
  return now_s;
}

uint32_t Draw(const Lengths& lengths, SeededStream* random) {
  double value = lengths.mean;
  switch (lengths.kind) {
    case Lengths::Kind::kConstant:
      break;
    case Lengths::Kind::kUniform:
      value = 1 + random->Uniform() * (2 * lengths.mean - 2);
      break;
    case Lengths::Kind::kExponential:
      value = random->Exponential(lengths.mean);
      break;
    case Lengths::Kind::kLognormal:
      value = lengths.mean *
              std::exp(lengths.sigma * Normal(random) - lengths.sigma * lengths.sigma / 2);
      break;
  }
  return static_cast<uint32_t>(std::llround(std::clamp(value, 1.0, lengths.max)));
}

// The index of a model, drawn by the mix.
uint32_t DrawModel(const std::vector<ModelShare>& mix, SeededStream* random) {
  double all = 0;
  for (const ModelShare& share : mix) all += share.weight;
  double left = random->Uniform() * all;
  for (uint32_t i = 0; i + 1 < mix.size(); ++i) {
    left -= mix[i].weight;
    if (left < 0) return i;
  }
  return static_cast<uint32_t>(mix.size() - 1);
}

}  // namespace

absl::StatusOr<Trace> Generate(const Workload& w) {
  if (w.requests < 1 || w.requests > 100'000'000) {
    return absl::InvalidArgumentError("requests must be from 1 to 100000000");
  }
  if (w.prefix_share > 0 && (w.prefix_tokens < w.block_tokens || w.prefixes < 1)) {
    return absl::InvalidArgumentError("common prefixes are at least one block long, and one");
  }
  Trace trace;
  const SeededStream root(w.seed);
  SeededStream gaps = root.Fork(kGaps);
  SeededStream prompts = root.Fork(kPrompts);
  SeededStream outputs = root.Fork(kOutputs);
  SeededStream prefixes = root.Fork(kPrefixes);
  SeededStream models = root.Fork(kModels);
  if (!w.mix.empty()) trace.models.clear();
  for (const ModelShare& share : w.mix) trace.models.push_back(share.model);
  double now_s = 0;
  if (w.prefix_share > 0) trace.block_tokens = w.block_tokens;
  trace.requests.reserve(w.requests);
  for (uint64_t i = 0; i < w.requests; ++i) {
    TraceRequest request;
    now_s = i == 0 ? 0 : NextArrival(w.arrivals, now_s, &gaps);
    if (now_s > kMaxTraceSeconds) {
      return absl::InvalidArgumentError(absl::StrCat(
          "request ", i + 1, " of ", w.requests, " would arrive after more than half a year (",
          kMaxTraceSeconds, " s): generate fewer, or at a higher rate"));
    }
    request.arrival = Nanoseconds(std::llround(now_s * 1e9));
    request.prompt_tokens = Draw(w.prompt, &prompts);
    request.output_tokens = Draw(w.output, &outputs);
    if (!w.mix.empty()) request.model = DrawModel(w.mix, &models);
    const bool shared = prefixes.Uniform() < w.prefix_share;
    const uint64_t which = prefixes.Next() % std::max<uint32_t>(1, w.prefixes);
    if (shared) {
      request.prompt_tokens += w.prefix_tokens;
      request.first_block = trace.block_ids.size();
      request.blocks = request.prompt_tokens / w.block_tokens;
      for (uint32_t b = 0; b < request.blocks; ++b) {
        const bool common = b < w.prefix_tokens / w.block_tokens;
        trace.block_ids.push_back(common ? which : (i + 1) << 24 | b);
      }
    }
    trace.requests.push_back(request);
  }
  uint64_t hash = Mix(w.seed);
  for (const TraceRequest& r : trace.requests) {
    hash = Mix(hash ^ static_cast<uint64_t>(r.arrival.count()));
    hash = Mix(hash ^ (uint64_t{r.prompt_tokens} << 32 | r.output_tokens));
    if (!w.mix.empty()) hash = Mix(hash ^ r.model);
  }
  trace.hash = hash;
  const Nanoseconds last = trace.requests.back().arrival;
  trace.span = std::max(Nanoseconds(1), last + last / static_cast<int64_t>(w.requests));
  return trace;
}

}  // namespace waferline::simulator
