#include "wafer_backend/hardware/timing/model_shape_file.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/built_in_files.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/yaml_form.h"

namespace waferline::timing {
namespace {

constexpr int64_t kMax = int64_t{1} << 40;  // CheckShape knows the real bounds

Experts ReadExperts(YamlForm form) {
  Experts e;
  e.total = form.Integer("total", 1, kMax);
  e.active = form.Integer("active", 1, kMax);
  e.shared = form.IntegerOr("shared", 0, 0, kMax);
  e.width = form.Integer("width", 1, kMax);
  e.first = form.IntegerOr("first", 0, 0, kMax);
  e.every = form.IntegerOr("every", 1, 1, kMax);
  if (form.Has("tokens")) e.tokens = form.Integers("tokens", 0, kMax);
  form.RefuseOthers();
  return e;
}

LatentKv ReadLatent(YamlForm form) {
  LatentKv l;
  l.kv_rank = form.Integer("kv_rank", 1, kMax);
  l.rotary_dim = form.Integer("rotary_dim", 1, kMax);
  l.query_rank = form.Integer("query_rank", 1, kMax);
  l.plain_dim = form.Integer("plain_dim", 1, kMax);
  l.value_dim = form.Integer("value_dim", 1, kMax);
  form.RefuseOthers();
  return l;
}

SlidingWindow ReadWindow(YamlForm form) {
  SlidingWindow w;
  w.positions = form.Integer("positions", 1, kMax);
  w.every = form.IntegerOr("every", 1, 1, kMax);
  w.layers = form.IntegerOr("layers", 1, 1, kMax);
  form.RefuseOthers();
  return w;
}

bool EndsWith(const std::string& text, std::string_view end) {
  return text.size() > end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

}  // namespace

absl::StatusOr<ModelSizes> ParseModelShape(const std::string& name, std::string_view yaml) {
  YamlFile file(name, yaml);
  YamlForm form = file.root();
  ModelSizes shape;
  shape.name = form.Text("name");
  shape.layers = form.Integer("layers", 1, kMax);
  shape.hidden = form.Integer("hidden", 1, kMax);
  shape.heads = form.Integer("heads", 1, kMax);
  shape.kv_heads = form.IntegerOr("kv_heads", shape.heads, 1, kMax);
  shape.head_dim = form.Integer("head_dim", 1, kMax);
  shape.ffn = form.IntegerOr("ffn", 0, 0, kMax);
  shape.vocab = form.Integer("vocab", 1, kMax);
  shape.tied_embeddings = form.Flag("tied_embeddings", false);
  shape.gated = form.Flag("gated", true);
  if (form.Has("experts")) shape.experts = ReadExperts(form.Map("experts"));
  if (form.Has("latent")) shape.latent = ReadLatent(form.Map("latent"));
  if (form.Has("window")) shape.window = ReadWindow(form.Map("window"));
  double stated = 0;
  if (form.Has("parameters_billion")) stated = form.Plain("parameters_billion", {1e-9, 1e9});
  form.RefuseOthers();
  WL_RETURN_IF_ERROR(file.status());
  if (const absl::Status status = CheckShape(shape); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": ", status.message()));
  }
  const double total = TotalParameters(shape) * 1e-9;
  if (stated > 0 && std::abs(total / stated - 1) > 0.02) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": parameters_billion: is ", stated,
                                                   ", but the shape adds up to ", total));
  }
  return shape;
}

absl::StatusOr<ModelSizes> LoadModelShape(const std::string& name_or_path) {
  WL_ASSIGN_OR_RETURN(const NamedText file, LoadNamedText("model-shapes", name_or_path));
  return EndsWith(file.name, ".json") ? ParseHuggingFaceConfig(file.name, file.text)
                                      : ParseModelShape(file.name, file.text);
}

std::vector<std::string> BuiltInModelShapes() { return BuiltInNames("model-shapes"); }

}  // namespace waferline::timing
