#include "wafer_backend/compute/model/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/json_fields.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/kernels/dtype.h"
#include "wafer_backend/compute/model/checkpoint_config.h"
#include "wafer_backend/compute/model/checkpoint_tensors.h"
#include "wafer_backend/compute/model/checkpoint_tokenizer.h"
#include "wafer_backend/compute/model/contents_builder.h"
#include "wafer_backend/compute/model/json_file.h"
#include "wafer_backend/compute/model/safetensors.h"

namespace waferline::model {
namespace {

namespace json = boost::json;

constexpr size_t kMaxFiles = 1024;
constexpr size_t kMaxTemplateBytes = 1 << 20;
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr const char* kWeights = "model.safetensors";

absl::Status Located(const std::string& path, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
}

// Which file has which tensor.
using WeightMap = std::map<std::string, std::string, std::less<>>;

absl::StatusOr<WeightMap> ReadIndex(const std::string& path) {
  WL_ASSIGN_OR_RETURN(const json::object index, ReadJsonObject(path));
  JsonFields fields(index);
  fields.Require({"weight_map"});
  const json::object* map = fields.Object("weight_map");
  if (!fields.ok()) return Located(path, fields.status());
  WeightMap files;
  for (const auto& item : *map) {
    const std::string name(item.key());
    const json::string* file = item.value().if_string();
    // A plain name: nothing outside the folder.
    if (file == nullptr || file->empty() || file->find('/') != json::string::npos ||
        *file == "..") {
      return Located(path, absl::InvalidArgumentError(absl::StrCat(
                               "weight_map: ", Quoted(name), " is not in a file of this folder")));
    }
    files[name] = std::string(*file);
  }
  return files;
}

class Opener {
 public:
  explicit Opener(const std::string& folder) : folder_(folder), builder_(&contents_) {
    contents_.name = folder;
  }

  absl::StatusOr<ModelContents> Open() {
    WL_RETURN_IF_ERROR(OpenConfig());
    WL_RETURN_IF_ERROR(OpenWeights());
    WL_RETURN_IF_ERROR(CheckWeights());
    WL_RETURN_IF_ERROR(OpenTokenizer());
    contents_.format = absl::StrCat("safetensors");
    if (contents_.maps.size() > 1) {
      absl::StrAppend(&contents_.format, " in ", contents_.maps.size(), " files");
    }
    return std::move(contents_);
  }

 private:
  std::string PathOf(std::string_view file) const {
    return (std::filesystem::path(folder_) / file).string();
  }
  bool Has(const char* file) const {
    std::error_code error;
    return std::filesystem::exists(PathOf(file), error);
  }

  absl::Status OpenConfig() {
    const std::string path = PathOf("config.json");
    WL_ASSIGN_OR_RETURN(const json::object object, ReadJsonObject(path));
    auto config = ReadCheckpointConfig(object, builder_);
    if (!config.ok()) return Located(path, config.status());
    config_ = *std::move(config);
    const auto name = std::filesystem::weakly_canonical(folder_).filename().string();
    builder_.SetString("general.name", name);
    return absl::OkStatus();
  }

  absl::Status OpenWeights() {
    if (Has(kWeights) || !Has(kIndex)) return OpenFile(kWeights, nullptr);
    WL_ASSIGN_OR_RETURN(const WeightMap map, ReadIndex(PathOf(kIndex)));
    std::set<std::string> files;
    for (const auto& [tensor, file] : map) files.insert(file);
    if (files.size() > kMaxFiles) {
      return Located(PathOf(kIndex), absl::InvalidArgumentError(absl::StrCat(
                                         files.size(), " files, at most ", kMaxFiles)));
    }
    for (const std::string& file : files) WL_RETURN_IF_ERROR(OpenFile(file, &map));
    if (found_ == map.size()) return absl::OkStatus();
    return Located(PathOf(kIndex),
                   absl::InvalidArgumentError(absl::StrCat("weight_map names ", map.size(),
                                                           " tensors, the files hold ", found_)));
  }

  absl::Status OpenFile(const std::string& file, const WeightMap* map) {
    const std::string path = PathOf(file);
    WL_ASSIGN_OR_RETURN(std::unique_ptr<MappedFile> mapped, MappedFile::Open(path));
    const auto tensors = ReadSafetensors(mapped->bytes());
    if (!tensors.ok()) return Located(path, tensors.status());
    for (const SafeTensor& tensor : *tensors) {
      if (map != nullptr) {
        const auto listed = map->find(tensor.name);
        if (listed == map->end() || listed->second != file) {
          return Located(path,
                         absl::InvalidArgumentError(absl::StrCat("tensor ", Quoted(tensor.name),
                                                                 " is not listed as part of this "
                                                                 "file in ",
                                                                 kIndex)));
        }
        ++found_;
      }
      if (absl::Status status = AddCheckpointTensor(tensor, config_, builder_); !status.ok()) {
        return Located(path, status);
      }
    }
    contents_.maps.push_back(std::move(mapped));
    return absl::OkStatus();
  }

  const GgufTensor* Find(std::string_view name) const {
    const auto found =
        std::find_if(contents_.tensors.begin(), contents_.tensors.end(),
                     [name](const GgufTensor& tensor) { return tensor.name == name; });
    return found == contents_.tensors.end() ? nullptr : &*found;
  }

  // What the table of tensors cannot say by itself; ModelWeights::Bind checks the rest.
  absl::Status CheckWeights() {
    const GgufTensor* embedding = Find("token_embd.weight");
    if (embedding == nullptr) {
      return Located(folder_,
                     absl::InvalidArgumentError("tensor \"model.embed_tokens.weight\" is missing"));
    }
    if (embedding->rows() != config_.vocabulary) {
      return Located(folder_,
                     absl::InvalidArgumentError(absl::StrCat("vocab_size is ", config_.vocabulary,
                                                             ", but model.embed_tokens.weight has ",
                                                             embedding->rows(), " rows")));
    }
    if (!config_.tied_embeddings && Find("output.weight") == nullptr) {
      return Located(folder_, absl::InvalidArgumentError(
                                  "tensor \"lm_head.weight\" is missing, and tie_word_embeddings "
                                  "is false"));
    }
    if (!config_.rope_factors.empty()) {
      const auto factors = std::span(config_.rope_factors);
      builder_.AddTensor("rope_freqs.weight", kernels::DType::kF32,
                         {static_cast<int64_t>(factors.size())},
                         builder_.KeepBytes({reinterpret_cast<const char*>(factors.data()),
                                             factors.size_bytes()}));
    }
    return absl::OkStatus();
  }

  absl::Status OpenTokenizer() {
    const std::string path = PathOf("tokenizer.json");
    WL_ASSIGN_OR_RETURN(const json::object tokenizer, ReadJsonObject(path));
    if (absl::Status status = ReadTokenizerJson(tokenizer, config_, builder_); !status.ok()) {
      return Located(path, status);
    }
    // A template of its own file comes before one in tokenizer_config.json.
    if (Has("chat_template.jinja")) {
      WL_ASSIGN_OR_RETURN(std::string text,
                          ReadFile(PathOf("chat_template.jinja"), kMaxTemplateBytes));
      builder_.SetString("tokenizer.chat_template", std::move(text));
    }
    if (Has("tokenizer_config.json")) {
      const std::string file = PathOf("tokenizer_config.json");
      WL_ASSIGN_OR_RETURN(const json::object object, ReadJsonObject(file));
      if (absl::Status status = ReadTokenizerConfig(object, builder_); !status.ok()) {
        return Located(file, status);
      }
    }
    if (config_.bos >= 0) SetId("tokenizer.ggml.bos_token_id", config_.bos);
    if (config_.eos >= 0) SetId("tokenizer.ggml.eos_token_id", config_.eos);
    builder_.SetBool("tokenizer.ggml.add_bos_token", false);  // unless it was set to true
    return absl::OkStatus();
  }

  void SetId(const char* key, int64_t id) { builder_.SetUint(key, static_cast<uint64_t>(id)); }

  const std::string folder_;
  ModelContents contents_;
  ContentsBuilder builder_;
  CheckpointConfig config_;
  size_t found_ = 0;  // tensors that the index lists
};

}  // namespace

absl::StatusOr<ModelContents> OpenCheckpoint(const std::string& folder) {
  return Opener(folder).Open();
}

}  // namespace waferline::model
