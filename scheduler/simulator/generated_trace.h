// Workloads without a trace: arrivals and lengths drawn from distributions, the same ones for the
// same seed. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "scheduler/simulator/trace.h"

namespace waferline::simulator {

struct Arrivals {
  enum class Kind : uint8_t {
    kConstant,
    kPoisson,  // exponential gaps
    kGamma,    // gaps with this coefficient of variation: > 1 comes in bursts
    kWeibull,  // gaps with this shape: < 1 has a heavy tail
    kDiurnal,  // Poisson whose rate swings as 1 + swing * sin(2 pi t / period)
  };
  Kind kind = Kind::kPoisson;
  double per_second = 1;
  double cv = 1;            // kGamma
  double shape = 1;         // kWeibull
  double swing = 0.5;       // kDiurnal, [0, 1]
  double period_s = 86400;  // kDiurnal
};

struct Lengths {
  enum class Kind : uint8_t { kConstant, kUniform, kExponential, kLognormal };
  Kind kind = Kind::kConstant;
  double mean = 1;   // kUniform: from 1 to 2 * mean - 1
  double sigma = 1;  // kLognormal: of the logarithm
  double max = 1e6;
};

// How often a request asks for a model, in proportion to the others' weights.
struct ModelShare {
  std::string model;
  double weight = 1;
};

struct Workload {
  Arrivals arrivals;
  Lengths prompt;
  Lengths output;
  uint64_t requests = 1000;
  // A share of the prompts begins with one of `prefixes` common prefixes of `prefix_tokens`.
  double prefix_share = 0;
  uint32_t prefixes = 1;
  uint32_t prefix_tokens = 0;
  uint32_t block_tokens = 64;
  std::vector<ModelShare> mix;  // empty: all ask for the fleet's first model
  uint64_t seed = 0;
};

absl::StatusOr<Trace> Generate(const Workload& workload);

// "poisson:rate=3.4", "gamma:rate=2,cv=3", "weibull:rate=1,shape=0.6",
// "diurnal:rate=5,swing=0.8,period=3600", "constant:rate=1". InvalidArgument names the field.
absl::StatusOr<Arrivals> ParseArrivals(std::string_view text);
// "constant:128", "uniform:mean=500", "exponential:mean=300,max=4000", "lognormal:mean=900,sigma=1"
absl::StatusOr<Lengths> ParseLengths(std::string_view text);
// "llama-3.1-8b=3,llama-3.1-70b=1": weights above 0, each model once.
absl::StatusOr<std::vector<ModelShare>> ParseMix(std::string_view text);

}  // namespace waferline::simulator
