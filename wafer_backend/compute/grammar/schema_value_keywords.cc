// Keywords that say which values may come: types, lists of values, bounds, lengths, patterns.
#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/json_fields.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/grammar/formats.h"
#include "wafer_backend/compute/grammar/regex.h"
#include "wafer_backend/compute/grammar/schema_keyword_reader.h"
#include "wafer_backend/compute/grammar/schema_keywords.h"
#include "wafer_backend/compute/grammar/work_meter.h"

namespace waferline::grammar {
namespace {

// Whether all whole numbers in it are what the schema's text says: larger ones are read as doubles.
// Counts what it looks at.
bool NumbersAreExact(const json::value& value, size_t* values) {
  ++*values;
  if (value.is_double()) return std::abs(value.get_double()) < 0x1p53;
  const auto exact = [values](const json::value& one) { return NumbersAreExact(one, values); };
  if (const json::array* list = value.if_array()) {
    return std::all_of(list->begin(), list->end(), exact);
  }
  const json::object* object = value.if_object();
  return object == nullptr || std::all_of(object->begin(), object->end(), [&](const auto& member) {
           return exact(member.value());
         });
}

constexpr char kTooLarge[] = "has a number beyond 64 bits, which is not kept exactly";
constexpr char kInexact[] =
    "has a number beyond 64 bits, or a fraction from 2^53 on, which is not kept exactly";

}  // namespace

absl::Status KeywordReader::ReadType(std::string_view keyword, const json::value& value) {
  static constexpr std::pair<std::string_view, int> kTypes[] = {
      {"null", kNull},       {"boolean", kBoolean},
      {"integer", kInteger}, {"number", kInteger | kFraction},
      {"string", kString},   {"array", kArray},
      {"object", kObject}};
  int types = 0;
  const auto add = [&](const json::value& one) {
    for (const auto& [name, bits] : kTypes) {
      if (one.is_string() && ViewOf(one.get_string()) == name) {
        types |= bits;
        return true;
      }
    }
    return false;
  };
  bool good = true;
  if (value.is_array()) {
    for (const json::value& one : value.get_array()) good &= add(one);
  } else {
    good = add(value);
  }
  if (!good || types == 0) {
    return Error(keyword,
                 "must be null, boolean, integer, number, string, array, object, or a list of "
                 "these");
  }
  facts_.types &= static_cast<uint8_t>(types);
  return absl::OkStatus();
}

absl::Status KeywordReader::Keep(Values values, std::string_view keyword) {
  size_t looked_at = 0;
  for (const json::value* one : values) {
    if (!NumbersAreExact(*one, &looked_at)) return Error(keyword, kInexact);
  }
  WL_RETURN_IF_ERROR(WorkMeter::Spend(looked_at));
  if (facts_.values) {
    const ValueSet kept(*facts_.values);
    std::erase_if(values, [&](const json::value* one) { return !kept.Contains(*one); });
  }
  facts_.values = std::move(values);
  facts_.values_pointer = PointerTo(node_.pointer, keyword);
  return absl::OkStatus();
}

absl::Status KeywordReader::ReadEnum(std::string_view keyword, const json::value& value) {
  if (!value.is_array()) return Error(keyword, "must be a list of values");
  Values values;
  for (const json::value& one : value.get_array()) values.push_back(&one);
  return Keep(std::move(values), keyword);
}

absl::Status KeywordReader::ReadConst(std::string_view keyword, const json::value& value) {
  return Keep({&value}, keyword);
}

void KeywordReader::Limit(NumberBound bound, bool is_min) {
  std::optional<NumberBound>& old = is_min ? facts_.min : facts_.max;
  if (old) {
    const int order = CompareDecimals(bound.value, old->value);
    const bool tighter = is_min ? order > 0 : order < 0;
    if (order != 0 ? !tighter : !old->inclusive) return;
  }
  old = std::move(bound);
}

absl::Status KeywordReader::ReadBound(std::string_view keyword, const json::value& value) {
  const bool is_min = keyword == "minimum" || keyword == "exclusiveMinimum";
  NumberBound bound;
  bound.inclusive = keyword == "minimum" || keyword == "maximum";
  if (value.is_bool() && !bound.inclusive) {
    // Draft 4: a flag of the other keyword.
    const json::value* of = object_.if_contains(is_min ? "minimum" : "maximum");
    if (!value.get_bool() || of == nullptr) return absl::OkStatus();
    KeywordReader other(node_, &facts_);
    WL_RETURN_IF_ERROR(other.ReadBound(is_min ? "minimum" : "maximum", *of));
    (is_min ? facts_.min : facts_.max)->inclusive = false;
    return absl::OkStatus();
  }
  if (!value.is_number()) return Error(keyword, "must be a number");
  // A whole number beyond 64 bits was read as the nearest double.
  if (value.is_double() && std::abs(value.get_double()) >= 0x1p63) return Error(keyword, kTooLarge);
  auto text = DecimalText(value);
  if (!text) return Error(keyword, "has more digits than are supported");
  bound.value = *std::move(text);
  Limit(std::move(bound), is_min);
  return absl::OkStatus();
}

absl::Status KeywordReader::ReadMultiple(std::string_view keyword, const json::value& value) {
  WL_ASSIGN_OR_RETURN(const Multiple multiple, ParseMultiple(node_, value));
  const auto both = CommonMultiple(multiple, facts_.multiple_of.value_or(multiple));
  if (!both) return Error(keyword, "has too large a common multiple with another one");
  if (both->digits == 0) facts_.types &= static_cast<uint8_t>(~kFraction);
  facts_.multiple_of = both;
  return absl::OkStatus();
}

absl::Status KeywordReader::ReadLength(std::string_view keyword, const json::value& value) {
  WL_ASSIGN_OR_RETURN(const size_t count, Count(keyword, value));
  const bool is_min = keyword.starts_with("min");
  size_t* const target =
      keyword.ends_with("Length")  ? (is_min ? &facts_.min_length : &facts_.max_length)
      : keyword.ends_with("Items") ? (is_min ? &facts_.min_items : &facts_.max_items)
                                   : (is_min ? &facts_.min_properties : &facts_.max_properties);
  *target = is_min ? std::max(*target, count) : std::min(*target, count);
  return absl::OkStatus();
}

absl::Status KeywordReader::ReadPattern(std::string_view keyword, const json::value& value) {
  if (!value.is_string()) return Error(keyword, "must be a string");
  auto texts = ParseRegex(ViewOf(value.get_string()), RegexMatch::kSearch);
  if (!texts.ok()) return Error(keyword, Std(texts.status().message()));
  facts_.texts.push_back(*std::move(texts));
  return absl::OkStatus();
}

absl::Status KeywordReader::ReadFormat(std::string_view keyword, const json::value& value) {
  if (!value.is_string()) return Error(keyword, "must be a string");
  auto texts = FormatTexts(ViewOf(value.get_string()));
  if (!texts.ok()) return Error(keyword, Std(texts.status().message()));
  if (*texts) facts_.texts.push_back(**std::move(texts));
  return absl::OkStatus();
}

}  // namespace waferline::grammar
