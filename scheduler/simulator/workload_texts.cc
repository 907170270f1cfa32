// The texts of --arrivals, --prompt, --output and --mix.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "scheduler/simulator/generated_trace.h"
#include "wafer_backend/base/number_text.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::simulator {
namespace {

constexpr double kSmallestWeight = 1e-9, kLargestWeight = 1e9;

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
    return absl::InvalidArgumentError(absl::StrCat(key, " ", OutOfRangeText(*out, min, max)));
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

absl::StatusOr<std::vector<ModelShare>> ParseMix(std::string_view text) {
  const std::string item_form = absl::StrCat("is not MODEL=WEIGHT with a weight from ",
                                             kSmallestWeight, " to ", kLargestWeight);
  std::vector<ModelShare> mix;
  while (true) {
    const size_t comma = text.find(',');
    const std::string item(text.substr(0, comma));
    const size_t equals = item.rfind('=');
    ModelShare share;
    if (equals == 0 || equals == std::string::npos ||
        !absl::SimpleAtod(item.substr(equals + 1), &share.weight) ||
        !(share.weight >= kSmallestWeight && share.weight <= kLargestWeight)) {
      return absl::InvalidArgumentError(absl::StrCat("\"", item, "\" ", item_form));
    }
    share.model = item.substr(0, equals);
    for (const ModelShare& other : mix) {
      if (other.model == share.model) {
        return absl::InvalidArgumentError(absl::StrCat(share.model, " is given twice"));
      }
    }
    mix.push_back(std::move(share));
    if (comma == std::string_view::npos) return mix;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace waferline::simulator
