#include "scheduler/simulator/generated_trace.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <numbers>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::simulator {
namespace {

// Streams of a workload's seed.
enum Draw : uint64_t { kGaps = 1, kPrompts, kOutputs, kPrefixes };

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

// "name:key=value,key=value"; a bare value stands for `bare`.
struct ParsedSpec {
  std::string name;
  std::map<std::string, double> values;
};
absl::StatusOr<ParsedSpec> ParseSpec(std::string_view text, const std::string& bare) {
  ParsedSpec out;
  const size_t colon = text.find(':');
  out.name = std::string(text.substr(0, colon));
  std::string_view rest = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    std::string_view item = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? "" : rest.substr(comma + 1);
    const size_t equals = item.find('=');
    const std::string key(equals == std::string_view::npos ? bare : item.substr(0, equals));
    if (equals != std::string_view::npos) item.remove_prefix(equals + 1);
    double value = 0;
    const auto [end, error] = std::from_chars(item.data(), item.data() + item.size(), value);
    if (error != std::errc() || end != item.data() + item.size() || !std::isfinite(value)) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", Absl(item), "\" in \"", Absl(text), "\" is not a number"));
    }
    if (!out.values.emplace(key, value).second) {
      return absl::InvalidArgumentError(
          absl::StrCat(key, " is given twice in \"", Absl(text), "\""));
    }
  }
  return out;
}

// A number in [min, max]; `otherwise` if it is left out.
struct SpecNumber {
  std::string key;
  double min = 0, max = 0;
  std::optional<double> otherwise = {};
};

// Takes it out; an error if it is missing (without `otherwise`) or outside.
absl::Status Take(ParsedSpec* s, const SpecNumber& number, double* out) {
  const auto& [key, min, max, otherwise] = number;
  const auto it = s->values.find(key);
  if (it == s->values.end()) {
    if (!otherwise) return absl::InvalidArgumentError(absl::StrCat(s->name, " needs ", key, "="));
    *out = *otherwise;
    return absl::OkStatus();
  }
  *out = it->second;
  s->values.erase(it);
  if (!(*out >= min && *out <= max)) {
    return absl::InvalidArgumentError(
        absl::StrCat(key, " is ", *out, ", must lie in [", min, ", ", max, "]"));
  }
  return absl::OkStatus();
}

absl::Status NothingLeft(const ParsedSpec& s) {
  if (s.values.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(s.name, " has no ", s.values.begin()->first, "="));
}

}  // namespace

absl::StatusOr<Arrivals> ParseArrivals(std::string_view text) {
  WL_ASSIGN_OR_RETURN(ParsedSpec s, ParseSpec(text, "rate"));
  Arrivals a;
  WL_RETURN_IF_ERROR(Take(&s, {"rate", 1e-6, 1e9}, &a.per_second));
  if (s.name == "constant") {
    a.kind = Arrivals::Kind::kConstant;
  } else if (s.name == "poisson") {
    a.kind = Arrivals::Kind::kPoisson;
  } else if (s.name == "gamma") {
    a.kind = Arrivals::Kind::kGamma;
    WL_RETURN_IF_ERROR(Take(&s, {"cv", 0.01, 100}, &a.cv));
  } else if (s.name == "weibull") {
    a.kind = Arrivals::Kind::kWeibull;
    WL_RETURN_IF_ERROR(Take(&s, {"shape", 0.1, 100}, &a.shape));
  } else if (s.name == "diurnal") {
    a.kind = Arrivals::Kind::kDiurnal;
    WL_RETURN_IF_ERROR(Take(&s, {"swing", 0, 1, 0.5}, &a.swing));
    WL_RETURN_IF_ERROR(Take(&s, {"period", 1, 1e9, 86400}, &a.period_s));
  } else {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", s.name, "\" must be one of: constant, poisson, gamma, weibull, diurnal"));
  }
  WL_RETURN_IF_ERROR(NothingLeft(s));
  return a;
}

absl::StatusOr<Lengths> ParseLengths(std::string_view text) {
  WL_ASSIGN_OR_RETURN(ParsedSpec s, ParseSpec(text, "mean"));
  Lengths l;
  WL_RETURN_IF_ERROR(Take(&s, {"mean", 1, 1e8}, &l.mean));
  if (s.name == "constant") {
    WL_RETURN_IF_ERROR(NothingLeft(s));
    l.max = l.mean;
    return l;
  }
  WL_RETURN_IF_ERROR(Take(&s, {"max", 1, 1e8, std::max(1e6, l.mean)}, &l.max));
  if (l.max < l.mean) {
    return absl::InvalidArgumentError(
        absl::StrCat("max is ", l.max, ", below the mean of ", l.mean));
  }
  if (s.name == "uniform") {
    l.kind = Lengths::Kind::kUniform;
  } else if (s.name == "exponential") {
    l.kind = Lengths::Kind::kExponential;
  } else if (s.name == "lognormal") {
    l.kind = Lengths::Kind::kLognormal;
    WL_RETURN_IF_ERROR(Take(&s, {"sigma", 0, 5, 1}, &l.sigma));
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", s.name, "\" must be one of: constant, uniform, exponential, lognormal"));
  }
  WL_RETURN_IF_ERROR(NothingLeft(s));
  return l;
}

absl::StatusOr<Trace> Generate(const Workload& w) {
  if (w.requests < 1 || w.requests > 100'000'000) {
    return absl::InvalidArgumentError("requests lies from 1 to 100000000");
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
  }
  trace.hash = hash;
  const Nanoseconds last = trace.requests.back().arrival;
  trace.span = std::max(Nanoseconds(1), last + last / static_cast<int64_t>(w.requests));
  return trace;
}

}  // namespace waferline::simulator
