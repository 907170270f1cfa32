#include "server/openai/constraint_fields.h"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/openai/api_error.h"
#include "server/serving/limits.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/strings.h"

namespace waferline::openai {
namespace {

namespace json = boost::json;
using grammar::GrammarCompiler;
using Kind = grammar::GrammarSpec::Kind;

// Collects what the request's fields say; each may be said once.
class ConstraintReader {
 public:
  explicit ConstraintReader(Fields& fields) : fields_(fields) {}

  std::optional<ConstraintField> Read();

 private:
  void ReadFormat(const json::object& format);
  void ReadFormatSchema(Fields& format);
  void ReadStructured(const json::object& outputs);
  // The field `name` of `from`, if it is there.
  void ReadSchema(Fields& from, std::string_view name);
  void ReadText(Fields& from, std::string_view name, Kind kind);
  void ReadChoices(Fields& from, std::string_view name);
  void Say(std::string path, grammar::GrammarSpec spec);

  Fields& fields_;
  std::optional<ConstraintField> found_;
};

std::optional<ConstraintField> ConstraintReader::Read() {
  if (const json::object* format = fields_.Object("response_format")) ReadFormat(*format);
  if (const json::object* outputs = fields_.Object("structured_outputs")) ReadStructured(*outputs);
  ReadSchema(fields_, "guided_json");
  ReadSchema(fields_, "json_schema");
  ReadText(fields_, "guided_regex", Kind::kRegex);
  ReadText(fields_, "guided_grammar", Kind::kGbnf);
  ReadText(fields_, "grammar", Kind::kGbnf);
  ReadChoices(fields_, "guided_choice");
  return std::move(found_);
}

void ConstraintReader::Say(std::string path, grammar::GrammarSpec spec) {
  if (found_) {
    return fields_.Fail(
        path, absl::StrCat("and '", found_->path, "' both say what the answer must be; send one"));
  }
  found_ = ConstraintField{std::move(path), std::move(spec)};
}

void ConstraintReader::ReadFormat(const json::object& object) {
  Fields format(object, "response_format.");
  std::string type;
  format.Require({"type"});
  format.Text("type", serving::kMaxNameBytes, &type);
  if (format.ok() && type == "json_object") {
    if (format.Has("schema")) {
      ReadSchema(format, "schema");
    } else {
      Say("response_format", {.kind = Kind::kJsonObject});
    }
  } else if (format.ok() && type == "json_schema") {
    ReadFormatSchema(format);
  } else if (format.ok() && type != "text") {
    format.Fail("type", "must be text, json_object or json_schema");
  }
  if (!format.ok()) fields_.Fail(format.status());
}

void ConstraintReader::ReadFormatSchema(Fields& format) {
  format.Require({"json_schema"});
  const json::object* object = format.Object("json_schema");
  if (object == nullptr) return;
  Fields inner(*object, "response_format.json_schema.");
  std::string text;
  bool strict = true;  // a schema is always honoured
  inner.RefuseOthers({"name", "description", "schema", "strict"});
  inner.Require({"schema"});
  inner.Text("name", serving::kMaxNameBytes, &text);
  inner.Text("description", GrammarCompiler::kMaxSourceBytes, &text);
  inner.Bool("strict", &strict);
  if (inner.ok()) ReadSchema(inner, "schema");
  if (!inner.ok()) format.Fail(inner.status());
}

void ConstraintReader::ReadStructured(const json::object& object) {
  Fields outputs(object, "structured_outputs.");
  outputs.RefuseOthers({"json", "regex", "choice", "grammar", "json_object"});
  bool any_object = false;
  outputs.Bool("json_object", &any_object);
  if (any_object) Say("structured_outputs.json_object", {.kind = Kind::kJsonObject});
  ReadSchema(outputs, "json");
  ReadText(outputs, "regex", Kind::kRegex);
  ReadText(outputs, "grammar", Kind::kGbnf);
  ReadChoices(outputs, "choice");
  if (!outputs.ok()) fields_.Fail(outputs.status());
}

void ConstraintReader::ReadSchema(Fields& from, std::string_view name) {
  const json::value* schema = from.Find(name);
  if (schema == nullptr) return;
  grammar::GrammarSpec spec{.kind = Kind::kJsonSchema};
  if (schema->is_string()) {
    // As vLLM takes it, too.
    json::error_code error;
    const json::parse_options options{.max_depth = kMaxDepth};
    spec.schema = json::parse(schema->get_string(), error, {}, options);
    if (error == json::error::too_deep) {
      return from.Fail(name, absl::StrCat("nests deeper than ", kMaxDepth, " levels of JSON"));
    }
    if (error) return from.Fail(name, "is a string that is not JSON");
  } else {
    spec.schema = *schema;
  }
  if (!spec.schema.is_object() && !spec.schema.is_bool()) {
    return from.Fail(name, "must be a JSON schema, an object");
  }
  Say(from.PathOf(name), std::move(spec));
}

void ConstraintReader::ReadText(Fields& from, std::string_view name, Kind kind) {
  if (from.Find(name) == nullptr) return;
  grammar::GrammarSpec spec{.kind = kind};
  from.Text(name, GrammarCompiler::kMaxSourceBytes, &spec.text);
  if (!spec.text.empty()) return Say(from.PathOf(name), std::move(spec));
  // Clients of llama.cpp send an empty grammar for none.
  if (from.PathOf(name) != "grammar") {
    from.Fail(name, "must not be empty; leave it out for an answer of any form");
  }
}

void ConstraintReader::ReadChoices(Fields& from, std::string_view name) {
  const json::array* choices = from.Array(name, GrammarCompiler::kMaxChoices);
  if (choices == nullptr) return;
  grammar::GrammarSpec spec{.kind = Kind::kChoice};
  for (size_t i = 0; i < choices->size(); ++i) {
    if (!(*choices)[i].is_string()) {
      return from.Fail(absl::StrCat(Absl(name), "[", i, "]"), "must be a string");
    }
    spec.choices.emplace_back((*choices)[i].get_string());
  }
  Say(from.PathOf(name), std::move(spec));
}

}  // namespace

std::optional<ConstraintField> ReadConstraint(Fields& fields) {
  return ConstraintReader(fields).Read();
}

absl::StatusOr<std::shared_ptr<const TokenConstraint>> Compile(const ConstraintField& field,
                                                               const text::ServedModel& model) {
  WL_CHECK(model.grammars != nullptr);
  auto compiled = model.grammars->Compile(field.spec);
  if (compiled.ok()) return compiled;
  return FieldError(
      field.path,
      absl::StrCat("'", field.path, "' cannot be honoured: ", compiled.status().message()));
}

}  // namespace waferline::openai
