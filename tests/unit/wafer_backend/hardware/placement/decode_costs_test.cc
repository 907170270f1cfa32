#include <catch2/catch.hpp>
#include <cmath>

#include "wafer_backend/base/strings.h"
#include "wafer_backend/hardware/placement/speed.h"
#include "wafer_backend/hardware/silicon/hardware_file.h"
#include "wafer_backend/hardware/timing/model_shape_file.h"
#include "wafer_backend/hardware/timing/profile_file.h"
#include "wafer_backend/hardware/timing/stage_costs.h"

namespace waferline::placement {
namespace {

using timing::DecodeCosts;
using timing::LoadModelShape;
using timing::LoadProfile;
using timing::ModelSizes;
using timing::PrefillCostsOf;
using timing::Profile;
using timing::SlidingWindow;
using timing::StageCost;
using timing::TotalParameters;

const silicon::WaferSpec& Wse3() {
  static const silicon::Hardware hardware = *silicon::LoadHardware("wse-3");
  return *hardware.wafer();
}

// How a model is laid, with few positions cached unless the test says otherwise.
struct Needs {
  int wafers = 0;
  int64_t context = 1024;
  double bytes_per_weight = 2, bytes_per_kv_value = 2;
};

absl::StatusOr<DecodeCosts> CostsOf(const ModelSizes& shape, const silicon::WaferSpec& wafer,
                                    const Profile& profile, const Needs& needs = {}) {
  return DecodeCostsOf({.shape = shape,
                        .wafer = wafer,
                        .profile = profile,
                        .context = needs.context,
                        .wafers = needs.wafers,
                        .bytes_per_weight = needs.bytes_per_weight,
                        .bytes_per_kv_value = needs.bytes_per_kv_value});
}

DecodeCosts Costs(const std::string& model, const std::string& profile, const Needs& needs = {}) {
  const auto costs = CostsOf(*LoadModelShape(model), Wse3(), *LoadProfile(profile), needs);
  INFO(costs.status());
  REQUIRE(costs.ok());
  return *costs;
}

TEST_CASE("the fewest wafers: four for 70B in FP16, one for 20B") {
  CHECK(Costs("llama-3.1-70b", "vendor-2024").wafers == 4);
  CHECK(Costs("llama-3.1-8b", "vendor-2024").wafers == 1);
  ModelSizes twenty = *LoadModelShape("llama-3.1-8b");
  twenty.layers = 86;  // 19.8B, and a tiling needs a little air
  CHECK(TotalParameters(twenty) == Approx(20e9).epsilon(0.01));
  CHECK(CostsOf(twenty, Wse3(), *LoadProfile("open"))->wafers == 1);
}

TEST_CASE("the launch speeds come out of the kernels that were fitted to them") {
  const auto speed = [](const char* model) {
    return 1 / Costs(model, "vendor-2024").total.At(1024);
  };
  CHECK(speed("llama-3.1-8b") == Approx(1800).epsilon(0.06));
  CHECK(speed("llama-3.1-70b") == Approx(450).epsilon(0.06));
}

TEST_CASE("stages add up to the whole, however they are grouped") {
  for (const char* model : {"llama-3.1-70b", "gpt-oss-120b", "kimi-k2", "llama-4-maverick"}) {
    for (const char* profile : {"open", "vendor-2024"}) {
      const DecodeCosts whole = Costs(model, profile);
      const int stages = static_cast<int>(whole.stages.size());
      CHECK(stages == LoadModelShape(model)->layers + 1);
      for (const int count : {1, 2, 3, 7, stages}) {
        const auto grouped = whole.Grouped(count);
        REQUIRE(grouped.ok());
        REQUIRE(grouped->stages.size() == static_cast<size_t>(count));
        int layers = 0;
        for (const StageCost& s : grouped->stages) {
          layers += s.layers;
          CHECK(s.kv_capacity_bytes() >= 0);
        }
        CHECK(layers == LoadModelShape(model)->layers);
        for (const double kv : {0.0, 100.0, 5000.0}) {
          double sum = grouped->return_seconds;
          for (const StageCost& s : grouped->stages) sum += s.busy.At(kv) + s.hand_over_seconds;
          CHECK(sum == Approx(whole.total.At(kv)));
        }
        CHECK(grouped->StageTime(Tokens(100)) == whole.StageTime(Tokens(100)));
        CHECK(grouped->KvBytesPerToken() == whole.KvBytesPerToken());
      }
      CHECK_FALSE(whole.Grouped(0).ok());
      CHECK_FALSE(whole.Grouped(stages + 1).ok());
    }
  }
}

TEST_CASE("latency grows with the cache, and a window stops it") {
  const DecodeCosts dense = Costs("llama-3.1-8b", "open");
  ModelSizes windowed = *LoadModelShape("llama-3.1-8b");
  windowed.window = SlidingWindow{.positions = 128, .every = 1};
  const auto bounded = CostsOf(windowed, Wse3(), *LoadProfile("open"));
  REQUIRE(bounded.ok());
  CHECK(dense.TokenLatency(Tokens(4096)) > dense.TokenLatency(Tokens(1024)));
  CHECK(bounded->TokenLatency(Tokens(4096)) == bounded->TokenLatency(Tokens(128)));
  CHECK(bounded->TokenLatency(Tokens(64)) == dense.TokenLatency(Tokens(64)));
  CHECK(dense.StageTime(Tokens(1024)) <= dense.TokenLatency(Tokens(1024)));
  CHECK(dense.Depth(Tokens(1024)) >= 1);
}

TEST_CASE("twice the clock halves what is on the wafer, not what is between wafers") {
  const auto fast = silicon::LoadHardware("wse-3-2x");
  const ModelSizes shape = *LoadModelShape("llama-3.1-70b");
  const DecodeCosts slow = Costs("llama-3.1-70b", "vendor-2024");
  const auto quick = CostsOf(shape, *fast->wafer(), *LoadProfile("vendor-2024"));
  REQUIRE(quick.ok());
  double hops = slow.return_seconds;
  for (const StageCost& s : slow.stages) {
    if (s.hand_over_seconds > 1e-6) hops += s.hand_over_seconds;  // regions are nearer
  }
  CHECK(hops == Approx(4 * 5e-6).epsilon(0.05));
  CHECK(quick->total.At(1000) - hops == Approx((slow.total.At(1000) - hops) / 2));
}

TEST_CASE("the KV of a placement fits, and its stages together say how much more would") {
  const ModelSizes shape = *LoadModelShape("llama-3.1-70b");
  const DecodeCosts costs = Costs("llama-3.1-70b", "vendor-2024", {.wafers = 4});
  std::vector<double> room(4), per_position(4);
  for (const StageCost& stage : costs.stages) {
    room[static_cast<size_t>(stage.wafer)] += stage.kv_capacity_bytes();
    per_position[static_cast<size_t>(stage.wafer)] += stage.kv_bytes_per_position;
  }
  double positions = 1e15;
  for (size_t i = 0; i < 4; ++i) positions = std::min(positions, room[i] / per_position[i]);
  CHECK(positions > 1000);
  Needs needs = {.wafers = 4, .context = static_cast<int64_t>(positions * 0.9)};
  CHECK(CostsOf(shape, Wse3(), *LoadProfile("open"), needs).ok());
  needs.context = static_cast<int64_t>(positions * 1.3);
  const auto over = CostsOf(shape, Wse3(), *LoadProfile("open"), needs);
  REQUIRE(over.status().code() == absl::StatusCode::kResourceExhausted);
  CHECK(Std(over.status().message()).find("141.1") != std::string_view::npos);
}

TEST_CASE("needs that cannot be are refused") {
  const ModelSizes shape = *LoadModelShape("llama-3.1-8b");
  const Profile open = *LoadProfile("open");
  for (const Needs& bad : {Needs{.wafers = -1}, Needs{.wafers = 5000}, Needs{.context = 0},
                           Needs{.bytes_per_weight = 0}, Needs{.bytes_per_weight = NAN},
                           Needs{.bytes_per_kv_value = 9}}) {
    CHECK(CostsOf(shape, Wse3(), open, bad).status().code() == absl::StatusCode::kInvalidArgument);
  }
  ModelSizes none;
  CHECK_FALSE(CostsOf(none, Wse3(), open).ok());
}

TEST_CASE("prefill devices: chunks of a prompt cost at least the whole, and the roofline holds") {
  const auto h100 = silicon::LoadHardware("h100");
  const ModelSizes shape = *LoadModelShape("llama-3.1-8b");
  const auto costs = PrefillCostsOf(shape, *h100->accelerator(), 2);
  REQUIRE(costs.ok());
  CHECK(costs->devices == 1);
  const double whole = ToSeconds(costs->ChunkTime(Tokens(8192), Tokens(0)));
  double chunks = 0;
  for (int64_t before = 0; before < 8192; before += 512) {
    chunks += ToSeconds(costs->ChunkTime(Tokens(512), Tokens(before)));
  }
  CHECK(chunks >= whole);
  CHECK(whole > 2 * 7.5e9 * 8192 / 989e12);
  CHECK(ToSeconds(costs->ChunkTime(Tokens(1), Tokens(0))) > 16e9 / 3.35e12);
  CHECK(costs->TransferTime(Tokens(1000)) ==
        Nanoseconds(static_cast<int64_t>(std::ceil(131072.0 * 1000 / 50e9 * 1e9))));
  CHECK_FALSE(PrefillCostsOf(shape, *h100->accelerator(), 0).ok());
}

}  // namespace
}  // namespace waferline::placement
