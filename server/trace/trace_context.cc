#include "server/trace/trace_context.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "wafer_backend/base/strings.h"

namespace waferline::trace {
namespace {

constexpr size_t kMaxStateBytes = 512;
constexpr size_t kMaxStateMembers = 32;
constexpr uint8_t kSampledFlag = 1;

bool IsHex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsZero(std::string_view text) { return text.find_first_not_of('0') == std::string::npos; }

uint8_t Flags(std::string_view two_digits) {
  const auto digit = [](char c) { return static_cast<uint8_t>(c <= '9' ? c - '0' : c - 'a' + 10); };
  return static_cast<uint8_t>(digit(two_digits[0]) * 16 + digit(two_digits[1]));
}

// key = lcalpha or digit first, then also _ - * / and @; value: printable ASCII without , and =.
bool IsMember(std::string_view member) {
  const size_t equals = member.find('=');
  if (equals == std::string_view::npos || equals == 0 || equals > 256) return false;
  const auto is_key = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           std::string_view("_-*/@").find(c) != std::string_view::npos;
  };
  const auto is_value = [](char c) { return c >= 0x20 && c <= 0x7e && c != ',' && c != '='; };
  const std::string_view key = member.substr(0, equals), value = member.substr(equals + 1);
  const bool begins = (key[0] >= 'a' && key[0] <= 'z') || (key[0] >= '0' && key[0] <= '9');
  return begins && std::all_of(key.begin(), key.end(), is_key) && !value.empty() &&
         value.size() <= 256 && value.back() != ' ' &&
         std::all_of(value.begin(), value.end(), is_value);
}

// Without empty members and spaces around commas; "" if it is not valid.
std::string CleanState(std::string_view state) {
  if (state.size() > kMaxStateBytes) return "";
  std::string out;
  size_t members = 0;
  for (const auto part : absl::StrSplit(Absl(state), ',')) {
    const std::string_view member = Std(absl::StripAsciiWhitespace(part));
    if (member.empty()) continue;
    if (!IsMember(member) || ++members > kMaxStateMembers) return "";
    absl::StrAppend(&out, out.empty() ? "" : ",", Absl(member));
  }
  return out;
}

}  // namespace

bool IsTraceparent(std::string_view value) {
  // 2 + 1 + 32 + 1 + 16 + 1 + 2 characters.
  if (value.size() < 55 || value[2] != '-' || value[35] != '-' || value[52] != '-') return false;
  const std::string_view version = value.substr(0, 2), trace = value.substr(3, 32),
                         parent = value.substr(36, 16), flags = value.substr(53, 2);
  if (!IsHex(version) || !IsHex(trace) || !IsHex(parent) || !IsHex(flags)) return false;
  if (version == "ff" || IsZero(trace) || IsZero(parent)) return false;
  return value.size() == 55 || (version != "00" && value[55] == '-');
}

std::optional<TraceContext> ReadTraceContext(std::string_view traceparent,
                                             std::string_view tracestate) {
  if (!IsTraceparent(traceparent)) return std::nullopt;
  return TraceContext{.trace_id = std::string(traceparent.substr(3, 32)),
                      .span_id = std::string(traceparent.substr(36, 16)),
                      .sampled = (Flags(traceparent.substr(53, 2)) & kSampledFlag) != 0,
                      .state = CleanState(tracestate)};
}

std::string TraceparentOf(const TraceContext& context) {
  return absl::StrCat("00-", context.trace_id, "-", context.span_id,
                      context.sampled ? "-01" : "-00");
}

}  // namespace waferline::trace
