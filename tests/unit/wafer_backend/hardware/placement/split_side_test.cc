#include "wafer_backend/hardware/placement/split_side.h"

#include <catch2/catch.hpp>

#include "wafer_backend/base/strings.h"
#include "wafer_backend/hardware/silicon/hardware_file.h"
#include "wafer_backend/hardware/timing/model_shape_file.h"
#include "wafer_backend/hardware/timing/profile_file.h"
#include "wafer_backend/hardware/timing/region_cost.h"

namespace waferline::placement {
namespace {

using timing::LayerPart;

struct Parts {
  timing::ModelSizes shape;
  silicon::Hardware hardware;
  timing::Profile profile;

  explicit Parts(const std::string& model, const std::string& machine)
      : shape(*timing::LoadModelShape(model)),
        hardware(*silicon::LoadHardware(machine)),
        profile(*timing::LoadProfile("vendor-2025")) {}
  absl::StatusOr<SplitSide> Side(LayerPart part, int devices = 0, int64_t context = 4096) const {
    return SideOf({.shape = shape,
                   .hardware = hardware,
                   .profile = hardware.wafer() != nullptr ? &profile : nullptr,
                   .part = part,
                   .devices = devices,
                   .context = context});
  }
};

TEST_CASE("the two halves of a layer add up to it, for every built-in model") {
  for (const std::string& name : timing::BuiltInModelShapes()) {
    INFO(name);
    const timing::ModelSizes shape = *timing::LoadModelShape(name);
    const silicon::Hardware wafer = *silicon::LoadHardware("wse-3");
    const timing::KernelModel model =
        timing::ModelFor(*wafer.wafer(), *timing::LoadProfile("vendor-2025"));
    for (const timing::LayerKind& whole : timing::LayersOf(shape).kinds) {
      const timing::LayerKind a = timing::PartOf(whole, LayerPart::kAttention);
      const timing::LayerKind f = timing::PartOf(whole, LayerPart::kFeedForward);
      CHECK(a.parameters() + f.parameters() == Approx(whole.parameters()));
      CHECK(a.active_parameters + f.active_parameters == Approx(whole.active_parameters));
      CHECK(a.allreduces + f.allreduces == whole.allreduces);
      CHECK(a.scalars + f.scalars == whole.scalars);
      CHECK(a.outputs + f.outputs == Approx(whole.outputs));
      CHECK(a.start_share + f.start_share == Approx(1));
      CHECK(a.kv_values_per_position == whole.kv_values_per_position);
      CHECK(f.kv_values_per_position == 0);
      // On one grid the halves take as long as the whole, but for the rounding of tiles.
      const timing::Region region{250'000, 2, 500};
      const auto cycles = [&](const timing::LayerKind& kind) {
        return timing::LayerOnWafer(model, *wafer.wafer(), kind).On(region).cycles.total();
      };
      CHECK(cycles(a) + cycles(f) == Approx(cycles(whole)).epsilon(0.02));
    }
  }
}

TEST_CASE("both sides of a split on accelerators do the work of the device that is not split") {
  const Parts on("llama-3.1-70b", "h200");
  const auto attention = on.Side(LayerPart::kAttention, 2);
  const auto ffn = on.Side(LayerPart::kFeedForward, 2);
  REQUIRE(attention.ok());
  REQUIRE(ffn.ok());
  const silicon::AcceleratorSpec& device = *on.hardware.accelerator();
  const double weights = 2 * (timing::TotalParameters(on.shape) -
                              timing::VocabularyParameters(on.shape));  // the table is looked up
  CHECK(attention->memory[0].weight_bytes + ffn->memory[0].weight_bytes ==
        Approx(2 * timing::TotalParameters(on.shape)));
  const timing::MicroBatch batch{8, 8 * 2000};
  const double seconds =
      80 * (attention->kinds[0].At(batch) + ffn->kinds[0].At(batch)) + attention->output.At(batch);
  const double kv = 80 * 4096.0 * 8 * 2000;
  const double roof =
      (weights + kv) / (2 * device.memory_bytes_per_second.value * device.memory_efficiency.value);
  // Two allreduces a layer, over two devices half of 2 x the bytes of eight tokens each way.
  const double bytes = 8 * 2.0 * static_cast<double>(on.shape.hidden);
  const double allreduces =
      2 * 80 * (device.allreduce_seconds.value + bytes / device.link_bytes_per_second.value);
  CHECK(seconds == Approx(80 * device.layer_seconds.value + allreduces + roof).epsilon(1e-6));
}

TEST_CASE("KV lies on the attention side alone, and its memory bounds the users") {
  const Parts gpu("llama-3.1-70b", "h200"), wafer("llama-3.1-70b", "wse-3");
  const auto attention = gpu.Side(LayerPart::kAttention, 8, 32768);
  REQUIRE(attention.ok());
  // 327,680 B a position: 8 x 141 GB less 26.6 GB of attention, embedding and output.
  CHECK(attention->UsersByMemory(32768) > 90);
  CHECK(attention->UsersByMemory(32768) < 110);
  const auto ffn = wafer.Side(LayerPart::kFeedForward);
  REQUIRE(ffn.ok());
  CHECK(ffn->by_layer);
  CHECK(ffn->devices == 3);  // 112.7 GB of feed-forward weights at 40.5 GB a wafer
  CHECK(ffn->UsersByMemory(32768) > 1'000'000'000);
  for (const SideMemory& memory : ffn->memory) {
    CHECK(memory.kv_bytes_per_position == 0);
    CHECK(memory.weight_bytes <= memory.capacity_bytes);
  }
  CHECK(ffn->output.token_seconds == 0);
}

TEST_CASE("a side that is too small says what it needs") {
  const auto side = Parts("llama-3.1-70b", "h200").Side(LayerPart::kFeedForward, 0, 1);
  REQUIRE(side.ok());
  CHECK(side->devices == 1);  // 112.7 GB
  const auto small = Parts("llama-3.1-405b", "h200").Side(LayerPart::kFeedForward, 2, 1);
  REQUIRE(!small.ok());
  CHECK(std::string(Std(small.status().message())).find("; there are 2") != std::string::npos);
}

}  // namespace
}  // namespace waferline::placement
