#include "server/metrics/text_format.h"

#include <charconv>
#include <cmath>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "wafer_backend/base/check.h"

namespace waferline::metrics {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

void AppendNumber(double value, std::string* text) {
  if (std::isnan(value)) return static_cast<void>(text->append("Nan"));
  if (std::isinf(value)) return static_cast<void>(text->append(value > 0 ? "+Inf" : "-Inf"));
  const double size = std::abs(value);
  const bool plain = value == 0 || (size >= 1e-4 && size < 1e16);
  char digits[32];
  const auto [end, error] =
      std::to_chars(digits, digits + sizeof(digits), value,
                    plain ? std::chars_format::fixed : std::chars_format::scientific);
  WL_CHECK(error == std::errc());
  text->append(digits, end);
}

void AppendLabel(absl::string_view name, absl::string_view value, std::string* text) {
  absl::StrAppend(text, text->back() == '{' ? "" : ",", name, "=\"");
  for (const char c : value) {
    if (c == '\n') {
      text->append("\\n");
      continue;
    }
    if (c == '\\' || c == '"') text->push_back('\\');
    text->push_back(c);
  }
  text->push_back('"');
}

// One line. `bound`: of a bucket.
struct Sample {
  absl::string_view suffix = "";
  const double* bound = nullptr;
  double value = 0;
};

void AppendSample(const MetricFamily& family, const ClientMetric& metric, const Sample& sample,
                  std::string* text) {
  absl::StrAppend(text, family.name, sample.suffix);
  if (!metric.label.empty() || sample.bound != nullptr) {
    text->push_back('{');
    for (const ClientMetric::Label& label : metric.label) {
      AppendLabel(label.name, label.value, text);
    }
    if (sample.bound != nullptr) {
      std::string bound;
      AppendNumber(*sample.bound, &bound);
      AppendLabel("le", bound, text);
    }
    text->push_back('}');
  }
  text->push_back(' ');
  AppendNumber(sample.value, text);
  text->push_back('\n');
}

void AppendHistogram(const MetricFamily& family, const ClientMetric& metric, std::string* text) {
  const ClientMetric::Histogram& histogram = metric.histogram;
  const auto count = static_cast<double>(histogram.sample_count);
  AppendSample(family, metric, {.suffix = "_count", .value = count}, text);
  AppendSample(family, metric, {.suffix = "_sum", .value = histogram.sample_sum}, text);
  double bound = -INFINITY;
  for (const ClientMetric::Bucket& bucket : histogram.bucket) {
    bound = bucket.upper_bound;
    const auto below = static_cast<double>(bucket.cumulative_count);
    AppendSample(family, metric, {.suffix = "_bucket", .bound = &bound, .value = below}, text);
  }
  if (bound == INFINITY) return;
  bound = INFINITY;
  AppendSample(family, metric, {.suffix = "_bucket", .bound = &bound, .value = count}, text);
}

}  // namespace

std::string TextOf(const std::vector<MetricFamily>& families) {
  std::string text;
  for (const MetricFamily& family : families) {
    if (!family.help.empty())
      absl::StrAppend(&text, "# HELP ", family.name, " ", family.help, "\n");
    const bool histogram = family.type == MetricType::Histogram;
    const bool counter = family.type == MetricType::Counter;
    WL_CHECK(histogram || counter || family.type == MetricType::Gauge);
    absl::StrAppend(&text, "# TYPE ", family.name,
                    histogram ? " histogram\n"
                    : counter ? " counter\n"
                              : " gauge\n");
    for (const ClientMetric& metric : family.metric) {
      if (histogram) {
        AppendHistogram(family, metric, &text);
        continue;
      }
      const double value = counter ? metric.counter.value : metric.gauge.value;
      AppendSample(family, metric, {.value = value}, &text);
    }
  }
  return text;
}

}  // namespace waferline::metrics
