#include "client/cli/serving/complete_command.h"

#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <iostream>
#include <iterator>

#include "client/cli/frame/arguments.h"
#include "client/cli/serving/answer.h"
#include "client/cli/serving/server_flags.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;

void PrintJson(const json::object& object) { std::cout << json::serialize(object) << std::endl; }

absl::Status RunComplete(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const auto client, ClientOf(arguments));
  std::string prompt = arguments.operand(0);
  if (prompt == "-") {
    prompt.assign(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>());
  }
  if (prompt.empty()) return UsageError("the prompt is empty");
  WL_ASSIGN_OR_RETURN(sdk::GenerateSpec spec, SpecOf(arguments, *client));
  spec.prompt = prompt;

  const InterruptWatch watch;
  const Answer answer = Ask(*client, spec, !arguments.json());
  if (!arguments.json() && !answer.text.empty()) std::cout << std::endl;
  if (answer.interrupted) return absl::CancelledError("interrupted");
  if (!answer.ending.status.ok()) return answer.ending.status;
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
  size_t width = 0;
  for (const sdk::ModelEntry& model : models) width = std::max(width, model.id.size());
  for (const sdk::ModelEntry& model : models) {
    std::cout << model.id << std::string(width - model.id.size() + 2, ' ');
    if (model.context_length > 0) std::cout << "context " << model.context_length << "  ";
    std::cout << model.details << '\n';
  }
  if (models.empty()) std::cerr << "the server lists no model" << std::endl;
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> CompleteCommands() {
  return {Command{.words = "complete",
                  .summary = "Continue a text (PROMPT, or - for stdin)",
                  .operands = {"PROMPT"},
                  .flags = GenerateFlags(),
                  .run = RunComplete},
          Command{.words = "models",
                  .summary = "Which models a server has",
                  .flags = ServerFlags(),
                  .run = RunModels}};
}

}  // namespace waferline::cli
