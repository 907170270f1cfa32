// waferctl model export-hf: a model file's tokenizer, template and sizes as Hugging Face's
// libraries read them, for harnesses and routers that tokenise by themselves. Weights are not
// exported.
#include <boost/json.hpp>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/frame/output.h"
#include "client/cli/model/compute_flags.h"
#include "client/cli/model/hf_config.h"
#include "client/cli/model/hf_tokenizer.h"
#include "client/cli/model/model_commands.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;

struct Exported {
  std::string path;
  json::object content;
};

// All files are made before the first is written.
absl::StatusOr<std::vector<Exported>> ExportedFiles(const model::GgufFile& file,
                                                    const std::filesystem::path& folder) {
  std::vector<Exported> files;
  const auto add = [&](const char* name, json::object content) {
    files.push_back({(folder / name).string(), std::move(content)});
  };
  WL_ASSIGN_OR_RETURN(json::object config, HuggingFaceConfig(file));
  WL_ASSIGN_OR_RETURN(json::object tokenizer_config, HuggingFaceTokenizerConfig(file));
  WL_ASSIGN_OR_RETURN(json::object tokenizer, HuggingFaceTokenizer(file));
  add("config.json", std::move(config));
  add("tokenizer_config.json", std::move(tokenizer_config));
  add("tokenizer.json", std::move(tokenizer));
  return files;
}

absl::Status ExportHf(const Arguments& arguments) {
  const std::filesystem::path folder = arguments.operand(1);
  WL_ASSIGN_OR_RETURN(const auto file, model::GgufFile::Open(arguments.operand(0)));
  WL_ASSIGN_OR_RETURN(const std::vector<Exported> files, ExportedFiles(*file, folder));
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return absl::UnavailableError(
        absl::StrCat("cannot create ", folder.string(), ": ", error.message()));
  }
  for (const Exported& each : files) {
    if (!std::filesystem::exists(each.path, error) || arguments.On("force")) continue;
    return absl::AlreadyExistsError(absl::StrCat(each.path, " exists; --force overwrites it"));
  }
  json::array written;
  for (const Exported& each : files) {
    WL_RETURN_IF_ERROR(WriteFile(each.path, JsonText(each.content) + "\n"));
    written.push_back(json::value(each.path));
    if (!arguments.json()) Print("{}\n", each.path);
  }
  if (arguments.json()) {
    PrintText(JsonText(json::object{{"files", std::move(written)}}) + "\n");
  }
  return absl::OkStatus();
}

}  // namespace

Command ExportHfCommand() {
  return {.words = "model export-hf",
          .summary =
              "Write tokenizer.json, tokenizer_config.json and config.json for harnesses that "
              "tokenise by themselves",
          .operands = {ModelFileOperand(), {"DIR", "the folder to write them to"}},
          .flags = {Switch("force", "overwrite files that exist")},
          .examples = {"waferctl model export-hf deploy/models/demo.gguf /tmp/demo"},
          .run = ExportHf};
}

}  // namespace waferline::cli
