// The CSV of the Azure LLM inference traces (2023 and 2024: the columns are found by name).
#include <charconv>
#include <chrono>
#include <cmath>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "scheduler/simulator/line_reader.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::simulator {
namespace {

constexpr int64_t kNsPerSecond = 1'000'000'000;
constexpr int64_t kMaxTokens = 1'000'000'000;

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '"')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '"')) text.remove_suffix(1);
  return text;
}

// Cells without their quotes; a comma between quotes is text.
absl::StatusOr<std::vector<std::string_view>> Split(std::string_view line) {
  std::vector<std::string_view> cells;
  bool quoted = false;
  size_t begin = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"') quoted = !quoted;
    if (line[i] != ',' || quoted) continue;
    cells.push_back(Trimmed(line.substr(begin, i - begin)));
    begin = i + 1;
  }
  if (quoted) return absl::InvalidArgumentError("has a quote that is not closed in its line");
  cells.push_back(Trimmed(line.substr(begin)));
  return cells;
}

// "1700158546.001": since 1970, in the unit that makes it a time of this century.
std::optional<int64_t> UnixInstantOf(std::string_view text) {
  int64_t whole = 0;
  const char* const end = text.data() + text.size();
  auto [at, error] = std::from_chars(text.data(), end, whole);
  const int64_t unit = error == std::errc() ? UnixUnitNs(static_cast<double>(whole)) : 0;
  if (unit == 0) return std::nullopt;
  double part = 0;
  if (at != end && *at == '.') {
    double digit = static_cast<double>(unit) / 10;
    for (++at; at != end && *at >= '0' && *at <= '9'; ++at, digit /= 10)
      part += (*at - '0') * digit;
  }
  if (at != end) return std::nullopt;
  return whole * unit + std::llround(part);
}

// "2023-11-16 18:17:03.9799600", with T for the blank and with a zone ("+00:00", "Z") allowed.
std::optional<int64_t> InstantOf(std::string_view text) {
  const auto number = [&](size_t at, size_t digits) -> std::optional<int64_t> {
    if (at + digits > text.size()) return std::nullopt;
    int64_t value = 0;
    for (size_t i = at; i < at + digits; ++i) {
      if (text[i] < '0' || text[i] > '9') return std::nullopt;
      value = value * 10 + (text[i] - '0');
    }
    return value;
  };
  const auto y = number(0, 4), mo = number(5, 2), d = number(8, 2);
  const auto h = number(11, 2), mi = number(14, 2), s = number(17, 2);
  if (!y || !mo || !d || !h || !mi || !s) return std::nullopt;
  if (text[4] != '-' || text[7] != '-' || (text[10] != ' ' && text[10] != 'T') || text[13] != ':' ||
      text[16] != ':') {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*y)),
                                         std::chrono::month(static_cast<unsigned>(*mo)),
                                         std::chrono::day(static_cast<unsigned>(*d))};
  // 64 bits hold nanoseconds since 1970 until 2262.
  if (!date.ok() || *y < 1970 || *y > 2261 || *h > 23 || *mi > 59 || *s > 60) return std::nullopt;
  int64_t ns = 0;
  size_t at = 19;
  if (at < text.size() && text[at] == '.') {
    int64_t unit = kNsPerSecond / 10;
    for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, unit /= 10) {
      ns += (text[at] - '0') * unit;
    }
  }
  int64_t zone_minutes = 0;
  if (at < text.size() && text[at] == 'Z') ++at;
  if (at < text.size() && (text[at] == '+' || text[at] == '-')) {
    const auto zh = number(at + 1, 2), zm = number(at + 4, 2);
    if (!zh || !zm || *zh > 23 || *zm > 59 || text[at + 3] != ':') return std::nullopt;
    zone_minutes = (text[at] == '-' ? -1 : 1) * (*zh * 60 + *zm);
    at += 6;
  }
  if (at != text.size()) return std::nullopt;
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  const int64_t seconds = days * 86400 + *h * 3600 + (*mi - zone_minutes) * 60 + *s;
  return seconds * kNsPerSecond + ns;
}

class Azure : public LineReader {
 public:
  bool has_header() const override { return true; }

  absl::Status ReadHeader(std::string_view line) override {
    WL_ASSIGN_OR_RETURN(const std::vector<std::string_view> names, Split(line));
    columns_ = names.size();
    for (size_t i = 0; i < names.size(); ++i) {
      for (size_t c = 0; c < 3; ++c) {
        if (names[i] != kNames[c]) continue;
        if (column_[c] != kNone) {
          return absl::InvalidArgumentError(
              absl::StrCat("has the column ", Absl(kNames[c]), " twice"));
        }
        column_[c] = i;
      }
    }
    for (size_t c = 0; c < 3; ++c) {
      if (column_[c] == kNone) {
        return absl::InvalidArgumentError(absl::StrCat("has no column ", Absl(kNames[c])));
      }
    }
    return absl::OkStatus();
  }

  absl::Status Read(std::string_view line, Trace* trace) override {
    WL_ASSIGN_OR_RETURN(const std::vector<std::string_view> cells, Split(line));
    if (cells.size() > columns_) {
      return absl::InvalidArgumentError(
          absl::StrCat("has ", cells.size(), " cells, the header has ", columns_));
    }
    TraceRequest request;
    for (size_t c = 0; c < 3; ++c) {
      if (column_[c] >= cells.size()) {
        return absl::InvalidArgumentError(absl::StrCat(Absl(kNames[c]), " is missing"));
      }
      const std::string_view cell = cells[column_[c]];
      if (c == 0) {
        auto instant = InstantOf(cell);
        if (!instant) instant = UnixInstantOf(cell);
        if (!instant) {
          return absl::InvalidArgumentError(
              absl::StrCat(Absl(kNames[c]), " is \"", Absl(cell), "\", not a date and time"));
        }
        request.arrival = Nanoseconds(*instant);
        continue;
      }
      int64_t tokens = 0;
      const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), tokens);
      if (error != std::errc() || end != cell.data() + cell.size() || tokens < 1 ||
          tokens > kMaxTokens) {
        return absl::InvalidArgumentError(absl::StrCat(Absl(kNames[c]), " is \"", Absl(cell),
                                                       "\", not a whole number of at least 1"));
      }
      (c == 1 ? request.prompt_tokens : request.output_tokens) = static_cast<uint32_t>(tokens);
    }
    trace->requests.push_back(request);
    return absl::OkStatus();
  }

 private:
  static constexpr size_t kNone = static_cast<size_t>(-1);
  static constexpr std::string_view kNames[3] = {"TIMESTAMP", "ContextTokens", "GeneratedTokens"};
  size_t column_[3] = {kNone, kNone, kNone};
  size_t columns_ = 0;
};

}  // namespace

std::unique_ptr<LineReader> AzureReader() { return std::make_unique<Azure>(); }

}  // namespace waferline::simulator
