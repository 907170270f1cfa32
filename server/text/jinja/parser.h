// Tokens of a template to its tree. Pure.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "server/text/jinja/ast.h"
#include "server/text/jinja/lexer.h"

namespace waferline::jinja {

// InvalidArgument with the line: what was expected and what stands there; a tag that chat templates
// have no use for (include, import, extends, block) is refused by name.
absl::StatusOr<Body> Parse(std::vector<Token> tokens);

}  // namespace waferline::jinja
