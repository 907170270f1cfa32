// waferctl complete and waferctl models.
#include <unistd.h>

#include <boost/json.hpp>
#include <iostream>
#include <iterator>

#include "client/cli/frame/output.h"
#include "client/cli/serving/answer.h"
#include "client/cli/serving/server_flags.h"
#include "client/cli/serving/serving_commands.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;

void PrintJson(const json::object& object) { PrintText(JsonText(object) + "\n"); }

absl::Status RunComplete(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const auto client, ClientOf(arguments));
  std::string prompt = arguments.operand(0);
  if (prompt == "-") {
    prompt.assign(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>());
  }
  if (prompt.empty()) return UsageError("PROMPT is empty");
  WL_ASSIGN_OR_RETURN(sdk::GenerateSpec spec, SpecOf(arguments, *client));
  spec.prompt = prompt;

  const InterruptWatch watch;
  const Answer answer = Ask(*client, spec, !arguments.json());
  if (!arguments.json() && !answer.text.empty()) PrintText("\n");
  if (answer.interrupted) return absl::CancelledError("interrupted");
  if (!answer.ending.status.ok()) return NamedByFlags(answer.ending.status, GenerateFlags());
  if (arguments.json()) {
    json::object result{{"model", spec.model}, {"text", answer.text}};
    for (const auto& [key, value] : Describe(answer.ending)) result[key] = value;
    PrintJson(result);
  } else if (const std::string pace = Pace(answer.ending); !pace.empty() && isatty(STDERR_FILENO)) {
    std::cerr << "[" << pace << "]" << std::endl;
  }
  return absl::OkStatus();
}

absl::Status RunModels(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const auto client, ClientOf(arguments));
  WL_ASSIGN_OR_RETURN(const std::vector<sdk::ModelEntry> models, client->ListModels());
  if (arguments.json()) {
    json::array list;
    for (const sdk::ModelEntry& model : models) {
      list.push_back(json::object{
          {"id", model.id}, {"context_length", model.context_length}, {"details", model.details}});
    }
    PrintJson({{"models", std::move(list)}});
    return absl::OkStatus();
  }
  Table table({"", "", ""}, {Table::Align::kLeft});
  for (const sdk::ModelEntry& model : models) {
    table.Add({model.id,
               model.context_length > 0 ? "context " + std::to_string(model.context_length) : "",
               model.details});
  }
  table.Print(0);
  if (models.empty()) std::cerr << "the server lists no model" << std::endl;
  return absl::OkStatus();
}

}  // namespace

Command CompleteCommand() {
  return {.words = "complete",
          .summary = "Let a model continue a text",
          .operands = {{"PROMPT", "the text; -: read it from stdin"}},
          .flags = GenerateFlags(),
          .examples = {"waferctl complete \"Once upon a time\" --max-tokens 64",
                       "waferctl complete - --json < prompt.txt"},
          .run = RunComplete};
}

Command ModelsCommand() {
  return {.words = "models",
          .summary = "List the models of a server",
          .flags = ServerFlags(),
          .examples = {"waferctl models --server grpc://127.0.0.1:50051"},
          .run = RunModels};
}

}  // namespace waferline::cli
