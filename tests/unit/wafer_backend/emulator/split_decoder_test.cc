#include "wafer_backend/emulator/split_decoder.h"

#include <catch2/catch.hpp>

#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/emulator/hardware_costs.h"
#include "wafer_backend/hardware/silicon/hardware_file.h"
#include "wafer_backend/hardware/timing/model_shape_file.h"
#include "wafer_backend/hardware/timing/profile_file.h"

namespace waferline::emulator {
namespace {

using timing::LayerPart;

placement::SplitModel Model(const std::string& shape_name, const std::string& attention,
                            const std::string& ffn, int devices = 0) {
  const timing::ModelSizes shape = *timing::LoadModelShape(shape_name);
  const timing::Profile profile = *timing::LoadProfile("vendor-2025");
  const auto side = [&](const std::string& name, LayerPart part) {
    const silicon::Hardware hardware = *silicon::LoadHardware(name);
    auto built = placement::SideOf({.shape = shape,
                                    .hardware = hardware,
                                    .profile = hardware.wafer() != nullptr ? &profile : nullptr,
                                    .part = part,
                                    .devices = hardware.wafer() != nullptr ? 0 : devices,
                                    .context = 8192});
    INFO(built.status().message());
    REQUIRE(built.ok());
    return *std::move(built);
  };
  return {.kind_of = timing::LayersOf(shape).kind_of,
          .attention = side(attention, LayerPart::kAttention),
          .ffn = side(ffn, LayerPart::kFeedForward),
          .state = {shape.hidden, 2, 2}};
}

TEST_CASE("one micro-batch over a free link takes the step of the device that is not split") {
  placement::SplitModel model = Model("llama-3.1-70b", "h200", "h200", 4);
  model.micro_batches = 1;
  model.link_bytes_per_second = 1e18;
  model.link_latency = Nanoseconds();
  const SplitDecoder split(model);
  const timing::ModelSizes shape = *timing::LoadModelShape("llama-3.1-70b");
  const silicon::Hardware h200 = *silicon::LoadHardware("h200");
  const RooflineDecoder whole(RooflineOf(shape, *h200.accelerator(), 4));
  for (const int sequences : {1, 3, 16, 64}) {
    for (const int64_t context : {1, 1000, 8192}) {
      const Tokens kv(sequences * context);
      const double expected = whole.StepTime(sequences, kv, 1).as_double();
      CHECK(split.StepTime(sequences, kv, 1).as_double() == Approx(expected).margin(160 + 2));
    }
  }
}

TEST_CASE("no side works longer than the step, and the link carries what crosses exactly") {
  SeededStream draw(5);
  for (const auto& [attention, ffn] : {std::pair("h200", "wse-3"),
                                       {"wse-3", "wse-3"},
                                       {"h200", "groq-lpu-v1"},
                                       {"trainium2", "wse-3"}}) {
    for (const char* shape : {"llama-3.1-70b", "gpt-oss-120b"}) {
      INFO(attention << " + " << ffn << ", " << shape);
      const placement::SplitModel model = Model(shape, attention, ffn);
      SplitDecoder split(model);
      REQUIRE(split.sides() != nullptr);
      for (int i = 0; i < 50; ++i) {
        const int sequences = 1 + static_cast<int>(draw.Uniform() * 100);
        const Tokens kv(static_cast<int64_t>(draw.Uniform() * 8192) * sequences);
        const int width = 1 + static_cast<int>(draw.Uniform() * 3);
        const Nanoseconds step = split.StepTime(sequences, kv, width);
        const TwoSided::Use use = split.UseOf(sequences, kv, width);
        for (const Nanoseconds busy : use.busy) CHECK(busy <= step);
        CHECK(use.crossed.count() == int64_t{sequences} * width *
                                         static_cast<int64_t>(model.kind_of.size()) *
                                         model.state.values * 4);
        CHECK(split.StepTime(sequences, kv, width) == step);  // also of what is kept
      }
    }
  }
}

TEST_CASE("a side, the link and the whole get slower, each by its own factor") {
  SplitDecoder split(Model("llama-3.1-70b", "h200", "wse-3", 2));
  const auto step = [&] { return split.StepTime(32, Tokens(32 * 2000), 1).as_double(); };
  const double healthy = step();
  for (const Side side : {Side::kAttention, Side::kFfn, Side::kLink}) {
    split.SetSideSlowdown(side, 50);
    const double slow = step();
    CHECK(slow > 1.2 * healthy);
    CHECK(slow <= 50 * healthy);
    split.SetSideSlowdown(side, 1);
    CHECK(step() == healthy);
  }
  split.SetSlowdown(3);
  CHECK(step() == Approx(3 * healthy));
}

}  // namespace
}  // namespace waferline::emulator
