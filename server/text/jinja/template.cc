#include "server/text/jinja/template.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/text/jinja/lexer.h"
#include "server/text/jinja/parser.h"
#include "wafer_backend/base/status.h"

namespace waferline::jinja {

absl::StatusOr<Template> Template::Parse(std::string_view source) {
  if (source.size() > kMaxSourceBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the template has ", source.size(), " bytes, at most ", kMaxSourceBytes, " are allowed"));
  }
  WL_ASSIGN_OR_RETURN(std::vector<Token> tokens, Tokenize(source));
  WL_ASSIGN_OR_RETURN(Body body, jinja::Parse(std::move(tokens)));
  return Template(std::move(body));
}

absl::StatusOr<Text> Template::Render(const Dict& context, int64_t unix_seconds,
                                      const Limits& limits) const {
  return Interpreter(limits, unix_seconds).Render(*body_, context);
}

}  // namespace waferline::jinja
