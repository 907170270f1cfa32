#include "server/openai/tool_fields.h"

#include <boost/json/value.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/openai/api_error.h"
#include "server/serving/limits.h"
#include "server/text/tool_rules.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::openai {
namespace {

namespace json = boost::json;

// {"name": ..., "description": ..., "parameters": schema, "strict": ...}
void ReadFunction(const json::object& object, const std::string& path, Fields& fields,
                  ToolRequest* request) {
  Fields function(object, path + ".");
  grammar::ToolCalls::Tool tool;
  std::string description;
  bool strict = false;  // arguments always follow their schema
  function.Require({"name"});
  function.Text("name", serving::kMaxNameBytes, &tool.name);
  function.Text("description", grammar::GrammarCompiler::kMaxSourceBytes, &description);
  function.Bool("strict", &strict);
  function.RefuseOthers({"name", "description", "parameters", "strict"});
  if (function.ok() && !text::IsFunctionName(tool.name)) {
    function.Fail("name", absl::StrCat("must have 1 to ", text::kMaxFunctionNameBytes,
                                       " letters, digits, '_', '-' and '.'"));
  }
  auto schema = text::SchemaOfArguments(function.Object("parameters"));
  if (!schema) function.Fail("parameters", "must be the schema of an object");
  if (schema) tool.arguments = *std::move(schema);
  for (const auto& other : request->calls.tools) {
    if (other.name == tool.name) function.Fail("name", "is the name of another tool, too");
  }
  if (!function.ok()) return fields.Fail(function.status());
  request->calls.tools.push_back(std::move(tool));
}

void ReadToolList(Fields& fields, ToolRequest* request) {
  const json::array* tools = fields.Array("tools", text::kMaxTools);
  if (tools == nullptr) return;
  for (size_t i = 0; i < tools->size(); ++i) {
    const std::string path = absl::StrCat("tools[", i, "]");
    if (!(*tools)[i].is_object()) return fields.Fail(path, "must be an object");
    Fields tool((*tools)[i].get_object(), path + ".");
    std::string type;
    tool.Require({"type"});
    tool.Text("type", serving::kMaxNameBytes, &type);
    if (tool.ok() && type != "function") {
      tool.Fail("type", "must be \"function\": other tools are not run here");
    }
    if (tool.ok()) tool.Require({"function"});
    const json::object* function = tool.Object("function");
    if (!tool.ok()) return fields.Fail(tool.status());
    ReadFunction(*function, path + ".function", fields, request);
    if (!fields.ok()) return;
  }
  request->tools = *tools;
}

void ReadFunctionList(Fields& fields, ToolRequest* request) {
  const json::array* functions = fields.Array("functions", text::kMaxTools);
  if (functions == nullptr || functions->empty()) return;
  if (!request->tools.empty())
    return fields.Fail("functions", "and 'tools' are the same; send one");
  request->path = "functions";
  request->legacy = true;
  request->calls.several = false;
  for (size_t i = 0; i < functions->size(); ++i) {
    const std::string path = absl::StrCat("functions[", i, "]");
    if (!(*functions)[i].is_object()) return fields.Fail(path, "must be an object");
    ReadFunction((*functions)[i].get_object(), path, fields, request);
    if (!fields.ok()) return;
    request->tools.push_back(json::object({{"type", "function"}, {"function", (*functions)[i]}}));
  }
}

// Keeps the one tool of that name.
void ForceTool(Fields& fields, std::string_view field, const json::value* name,
               ToolRequest* request) {
  if (name == nullptr || !name->is_string()) {
    return fields.Fail(field, "must name a function: its 'name' is missing");
  }
  const std::string_view wanted(name->get_string().data(), name->get_string().size());
  if (!text::ForceTool(wanted, &request->calls)) {
    fields.Fail(field, absl::StrCat("names the function '", Absl(wanted.substr(0, 64)),
                                    "', which is not among the tools"));
  }
}

// What may be called, or must. False: nothing.
bool ReadChoice(Fields& fields, std::string_view field, ToolRequest* request) {
  const json::value* choice = fields.Find(field);
  if (choice == nullptr) return true;
  const char* const allowed = request->legacy
                                  ? "must be none, auto or {\"name\": ...}"
                                  : "must be none, auto, required or {\"type\": \"function\", "
                                    "\"function\": {\"name\": ...}}";
  if (choice->is_string()) {
    const json::string& text = choice->get_string();
    if (text == "none") return false;
    if (request->calls.tools.empty()) {
      fields.Fail(field, "needs tools to choose from");
    } else if (text == "required" && !request->legacy) {
      request->calls.text_allowed = false;
    } else if (text != "auto") {
      fields.Fail(field, allowed);
    }
    return true;
  }
  const json::object* object = choice->if_object();
  if (object == nullptr) {
    fields.Fail(field, allowed);
    return true;
  }
  if (!request->legacy) {
    const json::value* type = object->if_contains("type");
    const json::value* function = object->if_contains("function");
    if (type == nullptr || *type != json::value("function") || function == nullptr ||
        !function->is_object()) {
      fields.Fail(field, allowed);
      return true;
    }
    object = &function->get_object();
  }
  ForceTool(fields, field, object->if_contains("name"), request);
  return true;
}

}  // namespace

ToolRequest ReadTools(Fields& fields) {
  ToolRequest request;
  request.path = "tools";
  ReadToolList(fields, &request);
  ReadFunctionList(fields, &request);
  bool several = true;
  fields.Bool("parallel_tool_calls", &several);
  request.calls.several = several && !request.legacy;
  if (!fields.ok()) return request;
  // The choice may allow one call only.
  const bool called =
      ReadChoice(fields, request.legacy ? "function_call" : "tool_choice", &request);
  const std::string_view other = request.legacy ? "tool_choice" : "function_call";
  const json::value* unused = fields.Find(other);
  if (unused != nullptr && *unused != json::value("none")) {
    fields.Fail(other, request.legacy ? "goes with tools; send function_call"
                                      : "goes with functions; send tool_choice");
  }
  if (!called) {
    request.tools.clear();
    request.calls.tools.clear();
  }
  return request;
}

absl::StatusOr<ConstraintField> ConstrainCalls(const ToolRequest& request,
                                               std::optional<ConstraintField> answer,
                                               const text::ServedModel& model) {
  std::optional<grammar::GrammarSpec> rest;
  if (answer) rest = std::move(answer->spec);
  auto spec = text::SpecOfCalls(request.calls, std::move(rest), *model.chat);
  if (!spec.ok()) return WithCode(WithParam(spec.status(), request.path), "unsupported_parameter");
  return ConstraintField{request.path, *std::move(spec)};
}

}  // namespace waferline::openai
