// waferctl wafer predict: a whole model on wafers.
#include <boost/json.hpp>
#include <cstdio>
#include <memory>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "client/cli/frame/arguments.h"
#include "client/cli/wafer/wafer_commands.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/gguf.h"
#include "wafer_backend/compute/model/model_shape.h"
#include "wafer_backend/hardware/placement/prediction.h"
#include "wafer_backend/hardware/silicon/hardware_file.h"
#include "wafer_backend/hardware/timing/model_shape_file.h"
#include "wafer_backend/hardware/timing/profile_file.h"

namespace waferline::cli {
namespace {

using placement::Estimate;
using placement::Prediction;

boost::json::array Range(const Estimate& e) { return {e.low, e.high}; }

boost::json::object Json(const Prediction& p) {
  const placement::LatencyParts& parts = p.latency;
  boost::json::array influences, prefill;
  for (const placement::Influence& i : p.influences) {
    influences.push_back({{"parameter", i.parameter},
                          {"tokens_per_second_at_low", i.at_low},
                          {"tokens_per_second_at_high", i.at_high}});
  }
  for (const placement::DevicePrefill& d : p.prefill) {
    prefill.push_back({{"device", d.device},
                       {"devices", d.devices},
                       {"ttft_ms", d.ttft_ms},
                       {"kv_transfer_ms", d.kv_transfer_ms},
                       {"joules", d.joules},
                       {"prompt_tokens_per_second", d.tokens_per_second}});
  }
  return {{"wafers", p.wafers},
          {"stages", p.stages},
          {"weight_gigabytes", p.weight_gigabytes},
          {"tokens_per_second", p.tokens_per_second.value},
          {"interval", Range(p.tokens_per_second)},
          {"latency_us",
           {{"total", 1e6 * parts.total()},
            {"start", 1e6 * parts.start},
            {"allreduces", 1e6 * parts.allreduces},
            {"weights", 1e6 * parts.weights},
            {"attention", 1e6 * parts.attention},
            {"embedding_and_output", 1e6 * parts.embedding_and_output},
            {"region_hops", 1e6 * parts.region_hops},
            {"wafer_hops", 1e6 * parts.wafer_hops}}},
          {"tokens_per_step", p.tokens_per_step},
          {"stage_us", p.stage_us},
          {"decode_grid", p.decode_grid},
          {"prefill_grid", p.prefill_grid},
          {"users_before_slowdown", p.users_before_slowdown},
          {"users_by_memory", p.users_by_memory},
          {"aggregate_tokens_per_second", p.aggregate_per_second.value},
          {"full_tokens_per_second", p.full_per_second.value},
          {"ttft_wafer_ms", p.ttft_wafer_ms.value},
          {"request_ms",
           {{"total", p.request_ms.total},
            {"first_token", p.request_ms.first_token},
            {"transition", p.request_ms.transition},
            {"decode", p.request_ms.decode}}},
          {"end_to_end_tokens_per_second", p.end_to_end_per_second.value},
          {"watts", p.watts.value},
          {"joules_per_token", p.joules_per_token.value},
          {"usd_per_million_tokens", p.usd_per_million_tokens.value},
          {"intervals",
           {{"tokens_per_second", Range(p.tokens_per_second)},
            {"aggregate_tokens_per_second", Range(p.aggregate_per_second)},
            {"full_tokens_per_second", Range(p.full_per_second)},
            {"ttft_wafer_ms", Range(p.ttft_wafer_ms)},
            {"request_ms", Range(p.request_total_ms)},
            {"end_to_end_tokens_per_second", Range(p.end_to_end_per_second)},
            {"watts", Range(p.watts)},
            {"joules_per_token", Range(p.joules_per_token)},
            {"usd_per_million_tokens", Range(p.usd_per_million_tokens)}}},
          {"influences", influences},
          {"prefill", prefill}};
}

void Line(const char* name, const Estimate& e, const char* unit) {
  printf("  %-30s %12.5g   [%.5g, %.5g] %s\n", name, e.value, e.low, e.high, unit);
}

void Print(const Prediction& p) {
  printf("  %-30s %12d   %.1f GB of weights, %d stages\n", "wafers", p.wafers, p.weight_gigabytes,
         p.stages);
  Line("tokens/s of one user", p.tokens_per_second, "");
  Line("tokens/s of these users", p.aggregate_per_second, "");
  Line("tokens/s when full", p.full_per_second, "");
  Line("time to first token, on wafer", p.ttft_wafer_ms, "ms");
  Line("whole request on wafer", p.request_total_ms, "ms");
  Line("answer over whole request", p.end_to_end_per_second, "tokens/s");
  Line("power", p.watts, "W");
  Line("energy a token", p.joules_per_token, "J");
  Line("cost of a million tokens", p.usd_per_million_tokens, "USD");
  printf("  %-30s %12ld   (KV of %ld fits)\n", "users before speed drops",
         static_cast<long>(p.users_before_slowdown), static_cast<long>(p.users_by_memory));
  if (p.decode_grid > 0) {
    printf("  %-30s %12d   (%d over the prompt)\n", "side of the shared grid", p.decode_grid,
           p.prefill_grid);
  }
  const placement::LatencyParts& parts = p.latency;
  printf("request, ms: total %.2f = first token %.2f + transition %.3f + decode %.2f\n",
         p.request_ms.total, p.request_ms.first_token, p.request_ms.transition,
         p.request_ms.decode);
  printf(
      "latency of a pass, us: total %.1f = start %.1f + allreduces %.1f + weights %.1f + "
      "attention %.1f + embedding and output %.1f + region hops %.1f + wafer hops %.1f; slowest "
      "stage "
      "%.2f\n",
      1e6 * parts.total(), 1e6 * parts.start, 1e6 * parts.allreduces, 1e6 * parts.weights,
      1e6 * parts.attention, 1e6 * parts.embedding_and_output, 1e6 * parts.region_hops,
      1e6 * parts.wafer_hops, p.stage_us);
  for (const placement::DevicePrefill& d : p.prefill) {
    printf("prefill on %3d x %-12s %9.2f ms, KV transfer %.2f ms, %.1f J\n", d.devices,
           d.device.c_str(), d.ttft_ms, d.kv_transfer_ms, d.joules);
  }
  for (const placement::Influence& i : p.influences) {
    printf("tokens/s with %-24s at its ends: %.5g, %.5g\n", i.parameter.c_str(), i.at_low,
           i.at_high);
  }
}

absl::StatusOr<double> BytesPerWeight(const std::string& type) {
  if (type == "fp16" || type == "bf16") return 2.0;
  if (type == "fp8" || type == "int8") return 1.0;
  if (type == "int4" || type == "fp4") return 0.5;
  if (type == "fp32") return 4.0;
  return UsageError("--weights must be fp32, fp16, bf16, fp8, int8, fp4 or int4");
}

// The sizes of a GGUF file's model; its weights' own types do not matter here, --weights says what
// the wafers hold.
absl::StatusOr<timing::ModelShape> ShapeOfGguf(const std::string& path) {
  WL_ASSIGN_OR_RETURN(const std::shared_ptr<const model::GgufFile> file,
                      model::GgufFile::Open(path));
  WL_ASSIGN_OR_RETURN(const model::ModelShape held, model::ModelShape::FromGguf(*file));
  timing::ModelShape shape;
  shape.name = held.name.empty() ? path : held.name;
  shape.layers = held.layers;
  shape.hidden = held.hidden;
  shape.heads = held.heads;
  shape.kv_heads = held.kv_heads;
  shape.head_dim = held.head_dim;
  shape.ffn = held.ffn;
  shape.vocab = held.vocabulary;
  shape.tied_embeddings = held.tied_embeddings;
  WL_RETURN_IF_ERROR(timing::CheckShape(shape));
  return shape;
}

absl::StatusOr<timing::ModelShape> LoadShape(const std::string& name) {
  constexpr std::string_view kEnd = ".gguf";
  const bool gguf =
      name.size() > kEnd.size() && name.compare(name.size() - kEnd.size(), kEnd.size(), kEnd) == 0;
  return gguf ? ShapeOfGguf(name) : timing::LoadModelShape(name);
}

absl::Status PredictModel(const Arguments& arguments) {
  if (!arguments.Has("model")) return UsageError("--model is needed: a model shape or a file");
  WL_ASSIGN_OR_RETURN(const timing::ModelShape shape, LoadShape(arguments.Text("model")));
  WL_ASSIGN_OR_RETURN(const silicon::Hardware hardware,
                      silicon::LoadHardware(arguments.Text("hardware")));
  if (hardware.wafer() == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("--hardware ", hardware.name, " is no wafer; decode is predicted for one"));
  }
  WL_ASSIGN_OR_RETURN(timing::Profile profile, timing::LoadProfile(arguments.Text("profile")));
  if (arguments.Has("accepted")) {
    const double accepted = arguments.Number("accepted");
    profile.tokens_per_step = {accepted, accepted, accepted, Mark::kUnknown, "given"};
  }
  WL_ASSIGN_OR_RETURN(const double bytes, BytesPerWeight(arguments.Text("weights")));
  placement::PredictionTask task = {
      .shape = shape,
      .wafer = *hardware.wafer(),
      .profile = profile,
      .wafers = static_cast<int>(arguments.Integer("wafers")),
      .bytes_per_weight = bytes,
      .kv = arguments.Integer("kv"),
      .users = arguments.Integer("users"),
      .prompt = arguments.Integer("prompt"),
      .generate = arguments.Integer("generate"),
      .decode_grid = static_cast<int>(arguments.Integer("decode-grid")),
      .prefill_grid = static_cast<int>(arguments.Integer("prefill-grid"))};
  for (const std::string& name : silicon::BuiltInHardware()) {
    WL_ASSIGN_OR_RETURN(silicon::Hardware device, silicon::LoadHardware(name));
    if (device.accelerator() != nullptr) task.prefill_devices.push_back(std::move(device));
  }
  WL_ASSIGN_OR_RETURN(const Prediction prediction, placement::Predict(task));
  if (arguments.json()) {
    boost::json::object out = {{"model", shape.name},      {"hardware", hardware.name},
                               {"profile", profile.name},  {"kv", task.kv},
                               {"users", task.users},      {"prompt", task.prompt},
                               {"generate", task.generate}};
    for (auto& [key, value] : Json(prediction)) out[key] = std::move(value);
    printf("%s\n", boost::json::serialize(out).c_str());
  } else {
    printf("%s on %s, profile %s: %ld user(s), %ld cached positions each\n", shape.name.c_str(),
           hardware.name.c_str(), profile.name.c_str(), static_cast<long>(task.users),
           static_cast<long>(task.kv));
    Print(prediction);
  }
  return absl::OkStatus();
}

}  // namespace

Command PredictCommand() {
  constexpr int64_t kMost = int64_t{1} << 31;
  return Command{
      .words = "wafer predict",
      .summary = "Speed, energy and cost of a model on wafers, with intervals",
      .flags = {TextFlag("model", "NAME|FILE",
                         "a shape of deploy/model-shapes, a YAML file, a config.json, or a GGUF"),
                HardwareFlag(), ProfileFlag(),
                IntegerFlag("kv", "N", "cached positions a user", 1024, 1, kMost),
                IntegerFlag("users", "U", "users at once", 1, 1, kMost),
                IntegerFlag("prompt", "T", "tokens of the prompt", 1024, 1, kMost),
                IntegerFlag("generate", "G", "tokens of the answer, for the whole request", 128, 1,
                            kMost),
                IntegerFlag("wafers", "N", "how many wafers; 0: the fewest that fit", 0, 0, 4096),
                IntegerFlag("decode-grid", "P",
                            "side of the grid that layers share in decoding; 0: the fastest "
                            "(profiles that share grids: open)",
                            0, 0, 65535),
                IntegerFlag("prefill-grid", "P", "the same over the prompt", 0, 0, 65535),
                TextFlag("weights", "TYPE", "fp16, fp8, int4, ...", "fp16"),
                NumberFlag("accepted", "A", "tokens accepted a pass, instead of the profile's",
                           std::nullopt, 1, 64)},
      .run = PredictModel};
}

}  // namespace waferline::cli
