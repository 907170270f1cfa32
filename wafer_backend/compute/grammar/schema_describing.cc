// Keywords that restrict nothing or are not supported, and the value of multipleOf.
#include <algorithm>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/compute/grammar/schema_keywords.h"

namespace waferline::grammar {
namespace {

namespace json = boost::json;

// Keywords that describe and restrict nothing.
constexpr std::string_view kDescribing[] = {"$schema",
                                            "$id",
                                            "id",
                                            "$comment",
                                            "$anchor",
                                            "$defs",
                                            "definitions",
                                            "title",
                                            "description",
                                            "default",
                                            "examples",
                                            "example",
                                            "deprecated",
                                            "readOnly",
                                            "writeOnly",
                                            "contentEncoding",
                                            "contentMediaType",
                                            "contentSchema",
                                            "discriminator",
                                            "externalDocs"};

// Keywords that restrict values in ways that are not supported.
constexpr std::string_view kRestrictions[] = {"$dynamicRef", "$recursiveRef", "nullable"};

bool IsIn(std::string_view name, std::span<const std::string_view> list) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

}  // namespace

absl::Status CheckDescribes(const SchemaNode& node, std::string_view keyword) {
  if (IsIn(keyword, kRestrictions)) return SchemaError(node.pointer, keyword, "is not supported");
  if (IsIn(keyword, kDescribing) || keyword.starts_with("x-")) return absl::OkStatus();
  return SchemaError(node.pointer, keyword, "is not a keyword that is known here");
}

absl::StatusOr<Multiple> ParseMultiple(const SchemaNode& node, const json::value& value) {
  const auto error =
      SchemaError(node.pointer, "multipleOf",
                  absl::StrCat("must be above zero, with at most ", kMaxMultipleDigits,
                               " digits behind the point, and at most ", kMaxMultiple,
                               " times its last digit"));
  const auto text = value.is_number() ? DecimalText(value) : std::nullopt;
  if (!text || text->starts_with('-')) return error;
  Multiple multiple{.units = 0};
  bool behind = false;
  for (const char c : *text) {
    if (std::exchange(behind, behind || c == '.')) ++multiple.digits;
    if (c != '.') multiple.units = multiple.units * 10 + static_cast<uint64_t>(c - '0');
    if (multiple.units > kMaxMultiple) return error;
  }
  if (multiple.units == 0 || multiple.digits > kMaxMultipleDigits) return error;
  return multiple;
}

}  // namespace waferline::grammar
