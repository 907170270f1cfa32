#include "wafer_backend/hardware/placement/prediction.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "wafer_backend/base/strings.h"
#include "wafer_backend/hardware/silicon/hardware_file.h"
#include "wafer_backend/hardware/timing/model_shape_file.h"
#include "wafer_backend/hardware/timing/profile_file.h"

namespace waferline::placement {
namespace {

using timing::BuiltInModelShapes;
using timing::LoadModelShape;
using timing::LoadProfile;
using timing::ModelSizes;
using timing::Profile;

struct Case {
  ModelSizes shape;
  silicon::Hardware hardware;
  Profile profile;
  Case(const std::string& model, const std::string& profile_name,
       const std::string& machine = "wse-3")
      : shape(*LoadModelShape(model)),
        hardware(*silicon::LoadHardware(machine)),
        profile(*LoadProfile(profile_name)) {}
  PredictionTask Task() const {
    return {.shape = shape, .wafer = *hardware.wafer(), .profile = profile};
  }
};

TEST_CASE("a prediction and the stages of the emulator say the same") {
  for (const std::string& model : BuiltInModelShapes()) {
    for (const char* profile : {"open", "vendor-2024", "vendor-2025"}) {
      const Case c(model, profile);
      PredictionTask task = c.Task();
      task.kv = 2000;  // longer than the request
      const auto p = Predict(task);
      INFO(model << " " << profile << " " << p.status());
      REQUIRE(p.ok());
      const auto costs = DecodeCostsOf(
          {.shape = c.shape, .wafer = task.wafer, .profile = c.profile, .context = task.kv});
      REQUIRE(costs.ok());
      CHECK(p->wafers == costs->wafers);
      CHECK(p->latency.total() * 1e6 ==
            Approx((costs->total.At(2000) + costs->draft_seconds) * 1e6));
      CHECK(p->stage_us == Approx(costs->StageTime(Tokens(2000)).as_double() * 1e-3).epsilon(1e-3));
      const double beats = p->latency.total() * 1e6 / p->stage_us / p->tokens_per_step;
      CHECK(static_cast<double>(p->users_before_slowdown) == Approx(beats).margin(1));
    }
  }
}

TEST_CASE("every figure is finite, positive and inside its own interval") {
  for (const std::string& model : BuiltInModelShapes()) {
    for (const char* machine : {"wse-2", "wse-3", "wse-3-2x"}) {
      const Case c(model, "vendor-2025", machine);
      const auto p = Predict(c.Task());
      INFO(model << " on " << machine << " " << p.status());
      if (p.status().code() == absl::StatusCode::kResourceExhausted) continue;  // too large a layer
      REQUIRE(p.ok());
      for (const Estimate& e :
           {p->tokens_per_second, p->aggregate_per_second, p->full_per_second, p->ttft_wafer_ms,
            p->watts, p->joules_per_token, p->usd_per_million_tokens}) {
        CHECK(std::isfinite(e.low + e.high));
        CHECK(e.low > 0);
        CHECK(e.low <= e.value);
        CHECK(e.value <= e.high);
      }
      CHECK(p->tokens_per_second.low < p->tokens_per_second.high);
      CHECK(!p->influences.empty());
    }
  }
}

TEST_CASE("up to the pipeline's depth more users cost no speed; beyond it they share") {
  const Case c("llama-3.1-8b", "vendor-2024");
  PredictionTask task = c.Task();
  task.kv = 100;
  const auto alone = Predict(task);
  REQUIRE(alone.ok());
  task.users = alone->users_before_slowdown;
  const auto full = Predict(task);
  REQUIRE(full.ok());
  CHECK(full->tokens_per_second.value == Approx(alone->tokens_per_second.value).epsilon(1e-6));
  CHECK(full->aggregate_per_second.value ==
        Approx(alone->tokens_per_second.value * static_cast<double>(task.users)).epsilon(1e-6));
  CHECK(full->aggregate_per_second.value <= full->full_per_second.value * 1.0001);
  CHECK(full->joules_per_token.value < alone->joules_per_token.value);
  task.users *= 4;
  const auto crowded = Predict(task);
  REQUIRE(crowded.ok());
  CHECK(crowded->tokens_per_second.value < 0.3 * alone->tokens_per_second.value);
  CHECK(crowded->aggregate_per_second.value == Approx(crowded->full_per_second.value));
}

TEST_CASE("parts add up and energy is power over speed") {
  const Case c("llama-3.1-70b", "vendor-2024");
  const auto p = Predict(c.Task());
  REQUIRE(p.ok());
  const LatencyParts& l = p->latency;
  CHECK(l.wafer_hops > 4 * 4.9e-6);
  CHECK(l.region_hops > 0);
  CHECK(p->watts.value == 4 * 15000);
  CHECK(p->joules_per_token.value == Approx(60000 / p->tokens_per_second.value));
  CHECK(p->tokens_per_second.value * l.total() == Approx(1));
}

TEST_CASE("speculation: more tokens of a longer pass, for one user, not for a full pipeline") {
  Case c("llama-3.1-8b", "vendor-2025");
  c.profile.tokens_per_step = {2, 2, 4, Mark::kUnknown, "given"};
  c.profile.draft_seconds = {1e-3, 1e-3, 1e-3, Mark::kUnknown, "given"};
  const auto two = Predict(c.Task());
  REQUIRE(two.ok());
  CHECK(two->tokens_per_second.value == Approx(2 / two->latency.total()));
  CHECK(two->tokens_per_second.high > 1.9 * two->tokens_per_second.value);
  c.profile.tokens_per_step = {1, 1, 1, Mark::kUnknown, "given"};
  c.profile.draft_seconds = {};
  const auto one = Predict(c.Task());
  CHECK(two->latency.total() == Approx(one->latency.total() + 1e-3));
  CHECK(two->full_per_second.value == Approx(one->full_per_second.value));
  const double passes = two->latency.total() * 1e6 / (2 * two->stage_us);
  CHECK(static_cast<double>(two->users_before_slowdown) == Approx(passes).margin(1));
}

TEST_CASE("a whole request is its first token, the transition and a pass for each other token") {
  const Case c("llama-3.1-8b", "open", "wse-2");
  PredictionTask task = c.Task();
  task.prompt = 2000;
  task.generate = 1;
  const auto one = Predict(task);
  REQUIRE(one.ok());
  CHECK(one->request_ms.total == Approx(one->ttft_wafer_ms.value));
  CHECK(one->end_to_end_per_second.value == Approx(1e3 / one->request_ms.total));
  // Attention is linear in the KV, so the passes cost what one at the mean length costs.
  task.generate = 2001;
  task.kv = 2000 + 999;
  const auto half = Predict(task);
  task.kv = 2000 + 1000;
  const auto more = Predict(task);
  REQUIRE(more.ok());
  const double mean_s = (half->latency.total() + more->latency.total()) / 2;
  CHECK(more->request_ms.decode == Approx(2000 * mean_s * 1e3).epsilon(1e-9));
  CHECK(more->request_ms.total == Approx(more->request_ms.first_token +
                                         more->request_ms.transition + more->request_ms.decode));
  CHECK(more->end_to_end_per_second.value < more->tokens_per_second.value);
  CHECK(more->end_to_end_per_second.low < more->end_to_end_per_second.value);
  CHECK(more->end_to_end_per_second.high > more->end_to_end_per_second.value);
}

TEST_CASE("a grid may be given where layers share one, and the fastest is chosen without") {
  const Case c("llama-3.1-8b", "open", "wse-2");
  PredictionTask task = c.Task();
  const auto free = Predict(task);
  REQUIRE(free.ok());
  CHECK(free->decode_grid >= c.profile.measured_sides.low);
  for (const int side : {360, 540, 660}) {
    task.decode_grid = task.prefill_grid = side;
    const auto given = Predict(task);
    INFO(side << " " << given.status());
    REQUIRE(given.ok());
    CHECK(given->decode_grid == side);
    CHECK(given->prefill_grid == side);
    CHECK(given->tokens_per_second.value < free->tokens_per_second.value * 1.01);
  }
  const auto refused = [&](int decode, int prefill, const char* word) {
    task.decode_grid = decode;
    task.prefill_grid = prefill;
    CHECK(Std(Predict(task).status().message()).find(word) != std::string_view::npos);
  };
  refused(758, 0, "decode grid is 758, must lie in [");
  refused(0, 758, "prefill grid is 758, must lie in [1, 757]");
  refused(5, 0, "decode grid is 5");  // does not hold a layer
  refused(-1, 0, "decode grid");
  refused(0, -1, "prefill grid");
  const Case regions("llama-3.1-8b", "vendor-2024");
  PredictionTask apart = regions.Task();
  apart.decode_grid = 360;
  CHECK(Std(Predict(apart).status().message()).find("region of its own") != std::string_view::npos);
}

TEST_CASE("the time to the first token grows with the prompt on wafer and device alike") {
  const Case c("llama-3.1-8b", "vendor-2024");
  PredictionTask task = c.Task();
  task.prefill_devices = {*silicon::LoadHardware("h100"), *silicon::LoadHardware("b200")};
  double wafer = 0, device = 0;
  for (const int64_t prompt : {100, 1000, 10000, 100000}) {
    task.prompt = prompt;
    const auto p = Predict(task);
    REQUIRE(p.ok());
    CHECK(p->ttft_wafer_ms.value > wafer);
    CHECK(p->prefill[0].ttft_ms > device);
    CHECK(p->prefill[1].ttft_ms < p->prefill[0].ttft_ms);
    wafer = p->ttft_wafer_ms.value;
    device = p->prefill[0].ttft_ms;
  }
  task.prefill_devices = {*silicon::LoadHardware("wse-2")};
  CHECK(Predict(task).status().code() == absl::StatusCode::kInvalidArgument);
}

TEST_CASE("questions that make no sense are refused by name") {
  const Case c("llama-3.1-8b", "open");
  const auto refused = [](const PredictionTask& task, const char* word) {
    const auto p = Predict(task);
    REQUIRE(p.status().code() == absl::StatusCode::kInvalidArgument);
    CHECK(Std(p.status().message()).find(word) != std::string_view::npos);
  };
  for (const int64_t bad : {int64_t{0}, int64_t{-5}, std::numeric_limits<int64_t>::max()}) {
    PredictionTask kv = c.Task(), users = c.Task(), prompt = c.Task(), generate = c.Task();
    generate.generate = bad;
    refused(generate, "generate is");
    kv.kv = bad;
    users.users = bad;
    prompt.prompt = bad;
    refused(kv, "kv is");
    refused(users, "users is");
    refused(prompt, "prompt is");
  }
}

}  // namespace
}  // namespace waferline::placement
