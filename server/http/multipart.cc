#include "server/http/multipart.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::http {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

// The value of a header's parameter: name=value or name="value"; "" if there is none.
std::string ParameterOf(std::string_view header, std::string_view name) {
  bool quoted = false;
  size_t begin = 0;
  std::vector<std::string_view> fields;
  for (size_t i = 0; i <= header.size(); ++i) {
    if (i < header.size() && header[i] == '"') quoted = !quoted;
    if (i < header.size() && (quoted || header[i] != ';')) continue;
    fields.push_back(header.substr(begin, i - begin));
    begin = i + 1;
  }
  for (const std::string_view field : fields) {
    const size_t sign = field.find('=');
    if (sign == std::string_view::npos) continue;
    const auto key = absl::StripAsciiWhitespace(Absl(field.substr(0, sign)));
    if (!absl::EqualsIgnoreCase(key, Absl(name))) continue;
    absl::string_view value = absl::StripAsciiWhitespace(Absl(field.substr(sign + 1)));
    if (absl::ConsumePrefix(&value, "\"")) absl::ConsumeSuffix(&value, "\"");
    return std::string(value);
  }
  return "";
}

absl::StatusOr<FormPart> ReadPart(std::string_view part) {
  FormPart out;
  for (;;) {
    const size_t end = part.find(kLineEnd);
    if (end == std::string_view::npos) {
      return absl::InvalidArgumentError("a part of the form has no empty line after its headers");
    }
    const std::string_view line = part.substr(0, end);
    part.remove_prefix(end + kLineEnd.size());
    if (line.empty()) break;
    if (!absl::StartsWithIgnoreCase(Absl(line), "content-disposition:")) continue;
    out.name = ParameterOf(line, "name");
    out.file_name = ParameterOf(line, "filename");
  }
  if (out.name.empty()) return absl::InvalidArgumentError("a part of the form has no name");
  out.content = part;
  return out;
}

}  // namespace

absl::StatusOr<std::vector<FormPart>> ReadForm(std::string_view content_type,
                                               std::string_view body) {
  const std::string boundary = ParameterOf(content_type, "boundary");
  if (!absl::StartsWithIgnoreCase(Absl(content_type), "multipart/form-data") || boundary.empty()) {
    return absl::InvalidArgumentError(
        "the body must be a form: multipart/form-data with a boundary");
  }
  const std::string first = absl::StrCat("--", boundary), next = absl::StrCat("\r\n", first);
  if (!body.starts_with(first)) {
    return absl::InvalidArgumentError("the body does not begin with the boundary of its type");
  }
  body.remove_prefix(first.size());
  std::vector<FormPart> parts;
  while (!body.starts_with("--")) {
    if (parts.size() == kMaxParts) {
      return absl::InvalidArgumentError(
          absl::StrCat("the form has more than ", kMaxParts, " parts"));
    }
    const size_t end = body.find(next, kLineEnd.size());
    if (!body.starts_with(kLineEnd) || end == std::string_view::npos) {
      return absl::InvalidArgumentError("the form's last boundary is missing");
    }
    WL_ASSIGN_OR_RETURN(FormPart part,
                        ReadPart(body.substr(kLineEnd.size(), end - kLineEnd.size())));
    parts.push_back(std::move(part));
    body.remove_prefix(end + next.size());
  }
  return parts;
}

}  // namespace waferline::http
