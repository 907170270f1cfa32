#include "wafer_backend/hardware/placement/device_figures.h"

#include <catch2/catch.hpp>

#include "wafer_backend/base/strings.h"
#include "wafer_backend/hardware/placement/chip_pipeline.h"
#include "wafer_backend/hardware/placement/device_prediction.h"
#include "wafer_backend/hardware/silicon/hardware_file.h"
#include "wafer_backend/hardware/timing/model_shape_file.h"
#include "wafer_backend/hardware/timing/serving_rate.h"

namespace waferline::placement {
namespace {

TEST_CASE("every published figure of every hardware file is predicted within its interval") {
  size_t figures = 0;
  for (const std::string& name : silicon::BuiltInHardware()) {
    const silicon::Hardware hardware = *silicon::LoadHardware(name);
    const auto checked = CheckFigures(hardware);
    INFO(name << ": " << checked.status());
    REQUIRE(checked.ok());
    for (const CheckedFigure& check : *checked) {
      INFO(check.name << ": predicted " << check.predicted << ", published " << check.published
                      << " " << check.unit);
      CHECK(check.inside());
      CHECK(!check.from->source.empty());
      ++figures;
    }
  }
  CHECK(figures >= 120);
}

TEST_CASE("any accelerator is predicted, with its interval and what moves it") {
  const timing::ModelSizes shape = *timing::LoadModelShape("llama-3.1-70b");
  for (const std::string& name : silicon::BuiltInHardware()) {
    const silicon::Hardware hardware = *silicon::LoadHardware(name);
    const auto p = PredictOnDevices({.shape = shape, .hardware = hardware});
    INFO(name << ": " << p.status());
    if (hardware.wafer() != nullptr) {
      CHECK(!p.ok());
      continue;
    }
    REQUIRE(p.ok());
    for (const Estimate& e : {p->tokens_per_second, p->aggregate_per_second, p->ttft_ms,
                              p->joules_per_token, p->usd_per_million_tokens}) {
      CHECK(e.value > 0);
      CHECK(e.low < e.value);
      CHECK(e.high > e.value);
    }
    CHECK(p->figures.users_by_memory >= 1);
    CHECK(p->influences.size() >= 2);
    CHECK(p->figures.pipeline == (name == "groq-lpu-v1"));
    const double bytes = p->figures.devices * hardware.accelerator()->memory_bytes.value;
    CHECK(bytes >= p->figures.weight_bytes);
  }
}

TEST_CASE("a pipeline of SRAM chips takes hundreds of chips, and its hops show in a token's time") {
  const timing::ModelSizes shape = *timing::LoadModelShape("llama-3.1-70b");
  const silicon::Hardware groq = *silicon::LoadHardware("groq-lpu-v1");
  const auto few = FiguresOf({.shape = shape, .hardware = groq, .bytes_per_weight = 1});
  const auto many =
      FiguresOf({.shape = shape, .hardware = groq, .devices = 4000, .bytes_per_weight = 1});
  REQUIRE(few.ok());
  REQUIRE(many.ok());
  CHECK(few->devices > 300);
  CHECK(few->devices < 330);
  // More chips read a layer faster, but the hops between them cost more than that gains.
  CHECK(many->token_seconds > few->token_seconds);
  CHECK(many->token_seconds > 4000 * groq.accelerator()->chip_hop_seconds->value);
  // Users whose tokens are in different layers do not slow each other.
  const auto together =
      FiguresOf({.shape = shape, .hardware = groq, .bytes_per_weight = 1, .users = 32});
  REQUIRE(together.ok());
  CHECK(together->token_seconds == Approx(few->token_seconds));
  const auto small = FiguresOf({.shape = shape, .hardware = groq, .devices = 100});
  REQUIRE(!small.ok());
  CHECK(std::string(Std(small.status().message())).find("there are 100") != std::string::npos);
}

TEST_CASE("the pipeline that serves tokens takes as long as the prediction") {
  const timing::ModelSizes shape = *timing::LoadModelShape("gpt-oss-120b");  // experts and windows
  const silicon::Hardware groq = *silicon::LoadHardware("groq-lpu-v1");
  const auto side = SideOf({.shape = shape,
                            .hardware = groq,
                            .part = timing::LayerPart::kWhole,
                            .devices = 2000,
                            .context = 4096});
  REQUIRE(side.ok());
  const std::vector<uint8_t> kind_of = timing::LayersOf(shape).kind_of;
  const timing::DecodeCosts costs = ChipPipelineOf(*side, kind_of);
  for (const int64_t context : {1, 100, 4000}) {
    const double seconds = StepSeconds(*side, kind_of, 1, context);
    CHECK(ToSeconds(costs.TokenLatency(Tokens(context))) == Approx(seconds).epsilon(1e-3));
  }
  CHECK(costs.Depth(Tokens(100)) > 20);
  CHECK(costs.KvCapacity().count() > 4096);
}

TEST_CASE("requests one after another: alone first token and tokens, together never slower") {
  const timing::ModelSizes shape = *timing::LoadModelShape("llama-3.1-8b");
  const silicon::Hardware h100 = *silicon::LoadHardware("h100");
  const silicon::AcceleratorSpec& device = *h100.accelerator();
  const timing::BatchCosts costs = timing::BatchCostsOf(shape, device, {});
  const double memory = device.memory_bytes.value;
  const timing::ServingLoad one{.prompt = 2000, .generate = 500, .users = 1};
  const auto alone = timing::ServingRateOf(costs, memory, one);
  REQUIRE(alone.ok());
  // The step with the prompt in it makes a token too.
  CHECK(500 / alone->tokens_per_second ==
        Approx(alone->first_token_seconds + 499 * alone->token_seconds).epsilon(2e-3));
  double last = 0;
  for (const int64_t users : {1, 2, 8, 32, 128, 512}) {
    timing::ServingLoad load = one;
    load.users = users;
    const auto rate = timing::ServingRateOf(costs, memory, load);
    REQUIRE(rate.ok());
    CHECK(rate->tokens_per_second >= last);
    last = rate->tokens_per_second;
  }
  timing::ServingLoad most = one;
  most.users = 0;
  CHECK(timing::ServingRateOf(costs, memory, most)->tokens_per_second >= last);
  // 131,072 B a position: 64 GB x 0.9 hold 175 sequences of 2,500.
  CHECK(timing::ServingRateOf(costs, memory, most)->sequences == 175);
  const auto none = timing::ServingRateOf(costs, costs.weight_bytes + 1e6, one);
  CHECK(none.status().code() == absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace waferline::placement
