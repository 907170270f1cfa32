// waferctl model inspect: what a model file holds.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <map>

#include "client/cli/frame/output.h"
#include "client/cli/model/compute_flags.h"
#include "client/cli/model/model_commands.h"
#include "server/text/chat_template.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/families/families.h"
#include "wafer_backend/compute/model/gguf.h"
#include "wafer_backend/compute/model/tokenizer.h"
#include "wafer_backend/compute/model/utf8.h"
#include "wafer_backend/compute/model/weights.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;
using model::Utf8Text;

// A file may be worth looking at although it cannot be served: what does not work is named in the
// place of its description.
json::object Problem(const absl::Status& status) {
  return {{"problem", Utf8Text(std::string(status.message()))}};
}

json::value ValueJson(const model::MetadataValue& value) {
  struct Visitor {
    json::value operator()(uint64_t number) const { return number; }
    json::value operator()(int64_t number) const { return number; }
    json::value operator()(double number) const {
      // JSON has no infinities.
      return std::isfinite(number) ? json::value(number) : json::value(std::to_string(number));
    }
    json::value operator()(bool flag) const { return flag; }
    json::value operator()(std::string_view text) const { return json::value(Utf8Text(text)); }
    json::value operator()(const model::MetadataArray& array) const {
      return json::object{{"array_of", std::string(model::Name(array.element))},
                          {"count", array.count}};
    }
  };
  return std::visit(Visitor(), value);
}

json::object RotaryJson(const model::Rotary& rotary) {
  return {{"kind", rotary.kind == kernels::RotaryKind::kNorm ? "norm" : "neox"},
          {"dims", rotary.dims},
          {"base", rotary.base},
          {"linear_factor", rotary.linear_factor},
          {"factors", !rotary.factors.empty()},
          {"yarn_factor", rotary.yarn ? rotary.yarn->factor : 1},
          {"magnitude", rotary.magnitude}};
}

// Null for a model without them.
json::value ExpertsJson(const model::ModelShape& shape) {
  const kernels::Router& router = shape.experts.router;
  if (router.experts == 0) return {};
  int64_t layers = 0;
  for (const model::LayerPlan& layer : shape.plan) layers += layer.experts ? 1 : 0;
  return json::object{
      {"count", router.experts},
      {"used", router.chosen},
      {"ffn", shape.experts.ffn},
      {"shared_ffn", shape.experts.shared_ffn},
      {"layers", layers},
      {"scores", router.score == kernels::Router::Score::kSigmoid ? "sigmoid" : "softmax"},
      {"normalised", router.normalise},
      {"scale", router.scale},
      {"groups", router.groups},
      {"used_groups", router.chosen_groups}};
}

json::value LatentJson(const model::LatentPlan& latent) {
  if (latent.kv_rank == 0) return {};
  return json::object{{"kv_rank", latent.kv_rank},
                      {"query_rank", latent.query_rank},
                      {"plain_dim", latent.plain_dim},
                      {"rotary_dim", latent.rotary_dim},
                      {"value_dim", latent.value_dim}};
}

json::object ShapeJson(const model::ModelShape& shape) {
  json::array rotaries;
  for (const model::Rotary& rotary : shape.rotaries) rotaries.push_back(RotaryJson(rotary));
  int64_t windowed = 0, window = 0;
  for (const model::LayerPlan& layer : shape.plan) {
    windowed += layer.window > 0 ? 1 : 0;
    window = std::max(window, layer.window);
  }
  return {{"architecture", std::string(shape.architecture)},
          {"layers", shape.layers},
          {"hidden", shape.hidden},
          {"heads", shape.heads},
          {"kv_heads", shape.kv_heads},
          {"head_dim", shape.head_dim},
          {"ffn", shape.ffn},
          {"context", shape.context},
          {"vocabulary", shape.vocabulary},
          {"rotary", std::move(rotaries)},
          {"window", window},
          {"windowed_layers", windowed},
          {"experts", ExpertsJson(shape)},
          {"latent", LatentJson(shape.latent)},
          {"norm_epsilon", shape.norm_epsilon},
          {"tied_embeddings", shape.tied_embeddings}};
}

json::value IdJson(std::optional<TokenId> id) { return id ? json::value(*id) : json::value(); }

json::object TokenizerJson(const model::Tokenizer& tokenizer) {
  return {{"kind", tokenizer.Description()},
          {"size", tokenizer.size()},
          {"bos", IdJson(tokenizer.bos())},
          {"eos", IdJson(tokenizer.eos())},
          {"eot", IdJson(tokenizer.eot())},
          {"adds_bos", tokenizer.adds_bos()},
          {"end_ids", json::value_from(tokenizer.end_ids())}};
}

struct TypeShare {
  int64_t tensors = 0;
  int64_t elements = 0;
  int64_t bytes = 0;
};

std::map<std::string, TypeShare> SharesByType(const model::GgufFile& file) {
  std::map<std::string, TypeShare> shares;
  for (const model::GgufTensor& tensor : file.tensors()) {
    TypeShare& share = shares[tensor.TypeName()];
    ++share.tensors;
    share.elements += tensor.elements();
    share.bytes += static_cast<int64_t>(tensor.bytes.size());
  }
  return shares;
}

json::array TensorsJson(const model::GgufFile& file) {
  json::array tensors;
  for (const model::GgufTensor& tensor : file.tensors()) {
    tensors.push_back(
        {{"name", Utf8Text(tensor.name)},
         {"dtype", tensor.TypeName()},
         {"shape", json::array(tensor.dims.begin(), tensor.dims.begin() + tensor.rank)},
         {"bytes", tensor.bytes.size()}});
  }
  return tensors;
}

// All that the file says; the order is that of the text output.
json::object Describe(const std::shared_ptr<const model::GgufFile>& file) {
  json::object out{
      {"file", Utf8Text(file->name())}, {"bytes", file->file_size()}, {"format", file->format()}};
  const auto shape = model::ReadShape(*file);
  out["shape"] = shape.ok() ? ShapeJson(*shape) : Problem(shape.status());
  const auto tokenizer = model::TokenizerFromGguf(*file);
  out["tokenizer"] = tokenizer.ok() ? TokenizerJson(**tokenizer) : Problem(tokenizer.status());
  if (tokenizer.ok()) {
    const auto chat = text::ChatTemplate::FromFile(*file, *tokenizer);
    out["chat"] = chat.ok() ? json::object{{"template", chat->name()}} : Problem(chat.status());
  } else {
    out["chat"] = Problem(absl::UnimplementedError("there is no tokenizer"));
  }
  const auto weights = model::BindWeights(file);
  const absl::Status runnable = weights.ok() ? weights->Runnable() : weights.status();
  out["weights"] = runnable.ok() ? json::object{{"runnable", true}} : Problem(runnable);
  json::object types;
  for (const auto& [name, share] : SharesByType(*file)) {
    types[name] = {
        {"tensors", share.tensors}, {"elements", share.elements}, {"bytes", share.bytes}};
  }
  out["dtypes"] = std::move(types);
  json::object metadata;
  for (const auto& entry : file->metadata().entries()) {
    metadata[Utf8Text(entry.key)] = ValueJson(entry.value);
  }
  out["metadata"] = std::move(metadata);
  out["tensors"] = TensorsJson(*file);
  return out;
}

void PrintSection(const json::object& all, const char* name) {
  Print("{}:\n", name);
  for (const auto& item : all.at(name).as_object()) {
    Print(
        "  {}: {}\n", std::string_view(item.key()),
        item.value().is_string() ? std::string(item.value().as_string()) : JsonText(item.value()));
  }
}

void PrintTensors(const model::GgufFile& file) {
  Table table({"tensor", "type", "shape", "bytes"}, {Table::Align::kLeft, Table::Align::kLeft,
                                                     Table::Align::kLeft, Table::Align::kRight});
  for (const model::GgufTensor& tensor : file.tensors()) {
    table.Add({Utf8Text(tensor.name), tensor.TypeName(), tensor.ShapeText(),
               std::to_string(tensor.bytes.size())});
  }
  table.Print();
}

absl::Status Inspect(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const auto file, model::GgufFile::Open(arguments.operand(0)));
  const json::object all = Describe(file);
  if (arguments.json()) {
    PrintText(JsonText(all) + "\n");
    return absl::OkStatus();
  }
  Print("{}: {}, {} bytes, {} tensors\n", file->name(), file->format(), file->file_size(),
        file->tensors().size());
  for (const char* section : {"shape", "tokenizer", "chat", "weights", "dtypes"}) {
    PrintSection(all, section);
  }
  if (arguments.On("metadata")) PrintSection(all, "metadata");
  if (arguments.On("tensors")) PrintTensors(*file);
  return absl::OkStatus();
}

}  // namespace

Command InspectCommand() {
  return {.words = "model inspect",
          .summary = "Show what a model file holds, and whether it can be served",
          .operands = {ModelFileOperand()},
          .flags = {Switch("metadata", "also list the metadata (--json always does)"),
                    Switch("tensors", "also list the tensors (--json always does)")},
          .examples = {"waferctl model inspect deploy/models/demo.gguf --tensors"},
          .run = Inspect};
}

}  // namespace waferline::cli
