#include "server/rpc/constraint_codec.h"

#include <boost/json/parse.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/rpc/rpc_status.h"

namespace waferline::rpc {
namespace {

constexpr size_t kMaxSchemaDepth = 128;

}  // namespace

absl::StatusOr<grammar::GrammarSpec> DecodeConstraint(const v1::TextConstraint& message) {
  using Kind = grammar::GrammarSpec::Kind;
  switch (message.kind_case()) {
    case v1::TextConstraint::kJsonSchema: {
      grammar::GrammarSpec spec{.kind = Kind::kJsonSchema};
      boost::json::error_code error;
      const boost::json::parse_options options{.max_depth = kMaxSchemaDepth};
      if (message.json_schema().size() <= grammar::GrammarCompiler::kMaxSourceBytes) {
        spec.schema = boost::json::parse(message.json_schema(), error, {}, options);
      }
      if (error == boost::json::error::too_deep) {
        return FieldError("constraint.json_schema",
                          absl::StrCat("nests deeper than ", kMaxSchemaDepth, " levels"));
      }
      if (error) return FieldError("constraint.json_schema", "is not JSON");
      return spec;
    }
    case v1::TextConstraint::kJsonObject:
      if (!message.json_object()) return FieldError("constraint.json_object", "must be true");
      return grammar::GrammarSpec{.kind = Kind::kJsonObject};
    case v1::TextConstraint::kRegex:
      return grammar::GrammarSpec{.kind = Kind::kRegex, .text = message.regex()};
    case v1::TextConstraint::kChoice:
      return grammar::GrammarSpec{
          .kind = Kind::kChoice,
          .choices = {message.choice().texts().begin(), message.choice().texts().end()}};
    case v1::TextConstraint::kGrammar:
      return grammar::GrammarSpec{.kind = Kind::kGbnf, .text = message.grammar()};
    case v1::TextConstraint::KIND_NOT_SET:
      break;
  }
  return FieldError("constraint",
                    "must be one of json_schema, json_object, regex, choice and grammar");
}

}  // namespace waferline::rpc
