#include "server/app/one_model.h"

#include <algorithm>
#include <filesystem>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/families/families.h"
#include "wafer_backend/compute/model/gguf.h"
#include "wafer_backend/compute/model/gguf_split.h"
#include "wafer_backend/compute/model/model_shape.h"
#include "wafer_backend/compute/shard/sram_ledger.h"
#include "wafer_backend/hardware/silicon/hardware_file.h"

namespace waferline::app {
namespace {

constexpr double kWaferSram = 44e9;  // of each shard (ShardOptions)
constexpr int64_t kPage = 64;        // positions
constexpr int kMaxRunning = 64;      // sequences at once
constexpr int kMaxThreads = 64;
// Left for buffers, logits, the rest of the process, and what else the machine does.
constexpr double kUsableShare = 0.85;

std::string InWords(double bytes) { return shard::InWords(Bytes(static_cast<int64_t>(bytes))); }

std::string NameOf(const OneModelOptions& options, const model::ModelShape& shape) {
  if (!options.name.empty()) return options.name;
  if (const std::string id = IdOf(shape.name); !id.empty()) return id;
  const auto split = model::SplitPath::Parse(options.file);
  const std::filesystem::path path(split ? split->prefix : options.file);
  const bool gguf = path.extension() == ".gguf";
  const std::string id = IdOf((gguf ? path.stem() : path.filename()).string());
  return id.empty() ? "model" : id;
}

// What the model takes of the machine's memory.
struct MemoryPlan {
  int64_t context = 0;         // positions
  double kv_bytes = 0;         // for prompts, and as much again for decoding
  double largest_weights = 0;  // of one shard, at most
};

absl::StatusOr<MemoryPlan> PlanMemory(const OneModelOptions& options, const model::GgufFile& file,
                                      const model::ModelShape& shape, int shards) {
  double weights = 0;
  double outside_layers = 0;
  for (const model::GgufTensor& tensor : file.tensors()) {
    const auto bytes = static_cast<double>(tensor.bytes.size());
    weights += bytes;
    if (!tensor.name.starts_with("blk.")) outside_layers += bytes;
  }
  if (shape.tied_embeddings) {  // the table, and the packed output matrix
    weights += outside_layers;
    outside_layers *= 2;
  }
  constexpr double kPacking = 1.06;  // PackedMatrix::PackedBytes
  MemoryPlan plan;
  plan.largest_weights = kPacking * ((weights - outside_layers) / shards + outside_layers);
  const double needed = kPacking * weights + static_cast<double>(file.held_size());
  const double usable = kUsableShare * static_cast<double>(options.memory.count()) - needed;
  // Keys and values of 16 bits, as if no layer had a window: the scheduler books pages of all
  // layers. Every position is kept twice while it moves from the prefill pool.
  const double position = 2.0 * static_cast<double>(shape.kv_stored() * shape.layers);
  plan.kv_bytes = usable / 2;
  const auto fits = static_cast<int64_t>(std::max(plan.kv_bytes, 0.0) / position) / kPage * kPage;
  const int64_t wanted = std::max(kPage, options.context);
  if (fits < wanted) {
    return absl::ResourceExhaustedError(absl::StrCat(
        options.file, ": weights of ", InWords(needed), " and twice the KV of ", wanted,
        " positions, ", InWords(position * static_cast<double>(wanted)), " each, do not fit into ",
        100 * kUsableShare, " % of the ", shard::InWords(options.memory), " of free memory"));
  }
  plan.context = options.context > 0 ? options.context : std::min(shape.context, fits);
  return plan;
}

absl::StatusOr<fleet::LaneConfig> LaneOf(const OneModelOptions& options, std::string name) {
  fleet::LaneConfig lane;
  lane.model = std::move(name);
  lane.scheduling.model = lane.model;
  lane.shape = options.shape.empty() ? options.file : options.shape;
  lane.prefill.hardware = options.prefill;
  fleet::DecodeConfig decode{.hardware = options.hardware, .profile = options.profile};
  const auto hardware = silicon::LoadHardware(options.hardware);
  if (!hardware.ok()) {
    return absl::Status(hardware.status().code(),
                        absl::StrCat("hardware: ", hardware.status().message()));
  }
  const bool wafer = hardware->wafer() != nullptr;
  decode.name = wafer ? "wafer" : "device";
  if (wafer && decode.profile.empty()) decode.profile = "vendor-2024";
  decode.max_running = kMaxRunning;
  lane.decode.push_back(std::move(decode));
  return lane;
}

}  // namespace

std::string IdOf(std::string_view text) {
  std::string id;
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool kept = letter || (c >= '0' && c <= '9') || c == '.' || c == '_';
    if (kept) {
      id += letter ? static_cast<char>(c | 0x20) : c;
    } else if (!id.empty() && id.back() != '-') {
      id += '-';
    }
  }
  while (!id.empty() && id.back() == '-') id.pop_back();
  return id;
}

absl::StatusOr<OneModel> ConfigureOneModel(const OneModelOptions& options) {
  WL_ASSIGN_OR_RETURN(const auto file, model::GgufFile::Open(options.file));
  auto shape = model::ReadShape(*file);
  if (!shape.ok()) {
    return absl::Status(shape.status().code(),
                        absl::StrCat(options.file, ": ", shape.status().message()));
  }
  const int shards =
      options.shards > 0 ? options.shards : static_cast<int>(std::min<int64_t>(shape->layers, 2));
  WL_ASSIGN_OR_RETURN(const MemoryPlan plan, PlanMemory(options, *file, *shape, shards));
  config::ModelConfig model;
  WL_ASSIGN_OR_RETURN(model.lane, LaneOf(options, NameOf(options, *shape)));
  model.lane.context = Tokens(plan.context);
  model.tokens.file = options.file;
  model.tokens.chat_template = options.chat_template;
  model.tokens.tool_format = options.tool_format;
  model.tokens.shards = shards;
  model.tokens.shard_sram_bytes =
      std::min(kWaferSram, plan.largest_weights + plan.kv_bytes / shards);
  model.tokens.prefill_kv_bytes = plan.kv_bytes;
  model.tokens.threads =
      std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, kMaxThreads);
  OneModel out;
  const bool limited = options.context == 0 && plan.context < shape->context;
  out.remark = absl::StrCat(
      shape->layers, " layers on ", shards, " shards, ", model.tokens.threads,
      " threads, a context of ", plan.context, " of the file's ", shape->context, " positions",
      limited ? ": what " + shard::InWords(options.memory) + " of free memory hold" : "");
  out.config.models.push_back(std::move(model));
  return out;
}

}  // namespace waferline::app
