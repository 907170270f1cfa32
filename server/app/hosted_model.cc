#include "server/app/hosted_model.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/app/model_chat.h"
#include "server/app/value_sources.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/model/families/families.h"
#include "wafer_backend/compute/model/gguf.h"
#include "wafer_backend/compute/model/model_shape.h"
#include "wafer_backend/compute/model/tokenizer.h"

namespace waferline::app {
namespace {

absl::Status InField(const std::string& field, const absl::Status& status) {
  if (status.ok()) return status;
  return {status.code(), absl::StrCat(field, ": ", status.message())};
}

// What the file's makers say of the model, fit for a terminal.
std::string AboutOf(const model::GgufFile& file) {
  constexpr size_t kMaxShown = 300;
  const auto said = file.metadata().StringOr("general.description", "");
  return said.ok() ? absl::Utf8SafeCEscape(Absl(said->substr(0, kMaxShown))) : std::string();
}

absl::StatusOr<HostedModel> Load(const config::ModelConfig& config, const ModelSite& site) {
  const bool emulated = config.tokens.from == config::TokenOriginKind::kSynthetic;
  WL_ASSIGN_OR_RETURN(const auto file, model::GgufFile::Open(config.tokens.file));
  WL_ASSIGN_OR_RETURN(const auto tokenizer, model::TokenizerFromGguf(*file));
  // A file without a template is served without chat; a template that was asked for must work.
  auto chat = ChatOf(config.tokens, *file, tokenizer);
  if (!config.tokens.chat_template.empty()) {
    WL_RETURN_IF_ERROR(InField("chat_template", chat.status()));
  }
  WL_RETURN_IF_ERROR(InField("tool_format", UseToolFormat(config.tokens, &chat)));
  fleet::LaneConfig lane = config.lane;
  if (!emulated) {
    WL_ASSIGN_OR_RETURN(const model::ModelShape shape, model::ReadShape(*file));
    const Tokens longest(shape.context);
    if (lane.context > longest) {
      return absl::InvalidArgumentError(absl::StrCat("context is ", lane.context.count(),
                                                     ", must lie in [1, ", longest.count(),
                                                     "], the positions of ", config.tokens.file));
    }
    if (lane.context == Tokens()) lane.context = longest;
  }
  HostedModel out;
  WL_ASSIGN_OR_RETURN(out.devices, fleet::LaneDevices::Build(lane, site.timeline));
  int sequences = 0;
  for (const fleet::DecodeConfig& unit : lane.decode) sequences += unit.units * unit.max_running;
  WL_ASSIGN_OR_RETURN(
      OpenedSource source,
      OpenSource(config.tokens, {.file = file,
                                 .tokenizer = tokenizer,
                                 .waker = site.waker,
                                 .model = lane.model,
                                 .sequences = sequences,
                                 .links = site.links,
                                 .standbys = site.standbys,
                                 .emulated_memory = out.devices->emulated_memory(0)}));
  out.values = std::move(source.values);
  out.plane = source.plane;
  out.join = std::move(source.join);
  if (!emulated) out.real_memory = out.values->memory();
  out.served = std::make_shared<text::ServedModel>(text::ServedModel{
      .name = lane.model,
      .tokenizer = tokenizer,
      .chat = std::move(chat),
      .context_tokens = out.devices->context(),
      .temperature = config.tokens.temperature,
      .origin = emulated ? text::TokenOrigin::kEmulated : text::TokenOrigin::kComputed,
      .origin_label = absl::StrCat(source.label, "; timed as ", out.devices->label()),
      .about = emulated ? std::string() : AboutOf(*file),
      .created_unix_s = site.created_unix_s,
      .grammars = std::make_shared<const grammar::GrammarCompiler>(tokenizer)});
  return out;
}

}  // namespace

absl::StatusOr<HostedModel> LoadHostedModel(const config::ModelConfig& config,
                                            const ModelSite& site) {
  auto loaded = Load(config, site);
  if (loaded.ok()) return loaded;
  return absl::Status(loaded.status().code(), absl::StrCat("model \"", config.lane.model,
                                                           "\": ", loaded.status().message()));
}

}  // namespace waferline::app
