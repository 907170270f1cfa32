#include "wafer_backend/compute/grammar/formats.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/grammar/regex.h"

namespace waferline::grammar {
namespace {

// Days that every year has.
#define WL_DATE                                                                             \
  "[1-9][0-9]{3}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|" \
  "30)|02-(0[1-9]|1[0-9]|2[0-8]))"
#define WL_TIME                                              \
  "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?" \
  "(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
#define WL_N "[0-9]{1,4}"
#define WL_DURATION_TIME "T(" WL_N "H(" WL_N "M(" WL_N "S)?)?|" WL_N "M(" WL_N "S)?|" WL_N "S)"
#define WL_DAYS WL_N "D"
#define WL_MONTHS WL_N "M(" WL_DAYS ")?"
#define WL_LABEL "[A-Za-z0-9]([A-Za-z0-9-]{0,20}[A-Za-z0-9])?"
#define WL_HOST WL_LABEL "(\\." WL_LABEL "){0,3}"
#define WL_ATOM "[A-Za-z0-9_%+-]{1,24}"
#define WL_OCTET "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
#define WL_HEX4 "[0-9A-Fa-f]{1,4}"
#define WL_SEGMENT "[A-Za-z0-9._~-]{0,40}"
#define WL_URI                                                          \
  "[a-z][a-z0-9+.-]{0,9}://" WL_HOST "(:[1-9][0-9]{0,3})?(/" WL_SEGMENT \
  "){0,6}(\\?[A-Za-z0-9._~=&-]{0,60})?(#" WL_SEGMENT ")?"

struct Format {
  std::string_view name;
  std::string_view pattern;
};
constexpr Format kFormats[] = {
    {"date", WL_DATE},
    {"time", WL_TIME},
    {"date-time", WL_DATE "T" WL_TIME},
    {"duration", "P(" WL_N "W|(" WL_N "Y(" WL_MONTHS ")?|" WL_MONTHS "|" WL_DAYS
                 ")(" WL_DURATION_TIME ")?|" WL_DURATION_TIME ")"},
    {"uuid", "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}"},
    {"email", WL_ATOM "(\\." WL_ATOM "){0,2}@" WL_HOST "\\.[A-Za-z]{2,10}"},
    {"idn-email", WL_ATOM "(\\." WL_ATOM "){0,2}@" WL_HOST "\\.[A-Za-z]{2,10}"},
    {"hostname", WL_HOST},
    {"idn-hostname", WL_HOST},
    {"ipv4", WL_OCTET "\\." WL_OCTET "\\." WL_OCTET "\\." WL_OCTET},
    {"ipv6", "(" WL_HEX4 ":){7}" WL_HEX4 "|(" WL_HEX4 ":){1,7}:|(" WL_HEX4 ":){1,6}:" WL_HEX4
             "|(" WL_HEX4 ":){1,5}(:" WL_HEX4 "){1,2}|(" WL_HEX4 ":){1,4}(:" WL_HEX4
             "){1,3}|(" WL_HEX4 ":){1,3}(:" WL_HEX4 "){1,4}|(" WL_HEX4 ":){1,2}(:" WL_HEX4
             "){1,5}|" WL_HEX4 ":(:" WL_HEX4 "){1,6}|:((:" WL_HEX4 "){1,7}|:)"},
    {"uri", WL_URI},
    {"uri-reference", WL_URI},
    {"iri", WL_URI},
    {"iri-reference", WL_URI},
    {"json-pointer", "(/([^/~\\u0000-\\u001f]|~[01]){0,40}){0,16}"},
};
constexpr std::string_view kDescriptions[] = {"password", "binary", "byte",   "int32",
                                              "int64",    "float",  "double", "path"};

}  // namespace

absl::StatusOr<std::optional<CharAutomaton>> FormatTexts(std::string_view format) {
  std::string known;
  for (const Format& one : kFormats) {
    if (one.name == format) {
      WL_ASSIGN_OR_RETURN(CharAutomaton texts, ParseRegex(one.pattern, RegexMatch::kWhole));
      return std::optional<CharAutomaton>(std::move(texts));
    }
    absl::StrAppend(&known, known.empty() ? "" : ", ", Absl(one.name));
  }
  if (std::find(std::begin(kDescriptions), std::end(kDescriptions), format) !=
      std::end(kDescriptions)) {
    return std::optional<CharAutomaton>();
  }
  return absl::NotFoundError(
      absl::StrCat("'", Absl(format), "' is not a format that is known here; known: ", known));
}

}  // namespace waferline::grammar
