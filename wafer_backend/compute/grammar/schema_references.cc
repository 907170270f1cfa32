// ResolveReference of schema_demands.h.
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/grammar/schema_demands.h"

namespace waferline::grammar {

namespace json = boost::json;

absl::StatusOr<SchemaNode> ResolveReference(const SchemaNode& from, const json::value& reference,
                                            const json::value& document) {
  const auto error = [&](std::string_view what) { return SchemaError(from.pointer, "$ref", what); };
  if (!reference.is_string()) return error("must be a string");
  std::string_view left = ViewOf(reference.get_string());
  if (!left.starts_with('#'))
    return error("must begin with '#': only this schema can be referred to");
  left.remove_prefix(1);
  if (!left.empty() && left[0] != '/') return error("must be '#' or '#/' and a JSON pointer");
  SchemaNode at{&document, "#"};
  while (!left.empty()) {
    left.remove_prefix(1);
    const std::string_view raw = left.substr(0, left.find('/'));
    left.remove_prefix(raw.size());
    std::string step;
    for (size_t i = 0; i < raw.size(); ++i) {
      unsigned code = 0;
      if (raw[i] == '~' && i + 1 < raw.size() && (raw[i + 1] == '0' || raw[i + 1] == '1')) {
        step += raw[++i] == '0' ? '~' : '/';
      } else if (raw[i] == '%' && i + 2 < raw.size() &&
                 absl::SimpleHexAtoi(Absl(raw.substr(i + 1, 2)), &code)) {
        step += static_cast<char>(code);
        i += 2;
      } else {
        step += raw[i];
      }
    }
    const json::value* next = nullptr;
    size_t index = 0;
    if (at.schema->is_object()) {
      next = at.schema->get_object().if_contains(step);
    } else if (at.schema->is_array() && absl::SimpleAtoi(step, &index) &&
               index < at.schema->get_array().size()) {
      next = &at.schema->get_array()[index];
    }
    if (next == nullptr) {
      return error(absl::StrCat("leads to nothing: ", at.pointer, " has no '", step, "'"));
    }
    at = {next, PointerTo(at.pointer, step), from.negated};
  }
  return at;
}

}  // namespace waferline::grammar
