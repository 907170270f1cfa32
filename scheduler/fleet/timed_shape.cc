#include "scheduler/fleet/timed_shape.h"

#include <utility>

#include "absl/strings/match.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/families/families.h"
#include "wafer_backend/compute/model/gguf.h"
#include "wafer_backend/compute/model/model_shape.h"
#include "wafer_backend/hardware/timing/model_shape_file.h"

namespace waferline::fleet {

absl::StatusOr<TimedShape> LoadTimedShape(const std::string& name_or_path) {
  TimedShape out;
  if (!absl::EndsWith(name_or_path, ".gguf")) {
    WL_ASSIGN_OR_RETURN(out.shape, timing::LoadModelShape(name_or_path));
    return out;
  }
  WL_ASSIGN_OR_RETURN(const auto file, model::GgufFile::Open(name_or_path));
  WL_ASSIGN_OR_RETURN(const model::ModelShape from, model::ReadShape(*file));
  out.shape = {.name = from.name.empty() ? name_or_path : from.name,
               .layers = from.layers,
               .hidden = from.hidden,
               .heads = from.heads,
               .kv_heads = from.kv_heads,
               .head_dim = from.head_dim,
               .ffn = from.ffn,
               .vocab = from.vocabulary,
               .tied_embeddings = from.tied_embeddings};
  out.context = Tokens(from.context);
  WL_RETURN_IF_ERROR(timing::CheckShape(out.shape));
  return out;
}

}  // namespace waferline::fleet
