#include "server/http/list_query.h"

#include <boost/url/params_encoded_view.hpp>
#include <boost/url/params_view.hpp>
#include <boost/url/parse_query.hpp>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/openai/api_error.h"
#include "wafer_backend/base/status.h"

namespace waferline::http {
namespace {

absl::Status ReadParameter(const std::string& name, const std::string& value,
                           const ListRules& rules, batches::Page* page) {
  if (name == "after") {
    page->after = value;
  } else if (name == "limit") {
    if (!absl::SimpleAtoi(value, &page->limit) || page->limit < 1 ||
        page->limit > rules.max_limit) {
      return openai::FieldError(name, absl::StrCat("must be from 1 to ", rules.max_limit));
    }
  } else if (rules.of_files && name == "purpose") {
    page->purpose = value;
  } else if (rules.ordered && name == "order") {
    if (value != "asc" && value != "desc") return openai::FieldError(name, "must be asc or desc");
    page->oldest_first = value == "asc";
  } else {
    return openai::FieldError(
        name, absl::StrCat("is not known here; known: after, limit", rules.ordered ? ", order" : "",
                           rules.of_files ? ", purpose" : ""));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<batches::Page> ReadListQuery(std::string_view query, const ListRules& rules) {
  batches::Page page{.limit = rules.limit};
  if (query.empty()) return page;
  const std::string text(query);  // Boost.URL 1.81 reads up to a zero, beyond its view
  const auto params = boost::urls::parse_query(text);
  if (!params) return openai::FieldError("query", "is not valid");
  for (const auto& param : boost::urls::params_view(*params)) {
    WL_RETURN_IF_ERROR(ReadParameter(param.key, param.value, rules, &page));
  }
  return page;
}

}  // namespace waferline::http
