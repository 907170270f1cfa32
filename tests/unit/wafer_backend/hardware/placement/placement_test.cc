#include "wafer_backend/hardware/placement/placement.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/hardware/placement/speed.h"
#include "wafer_backend/hardware/silicon/hardware_file.h"
#include "wafer_backend/hardware/timing/model_shape_file.h"
#include "wafer_backend/hardware/timing/profile_file.h"

namespace waferline::placement {
namespace {

struct Case {
  timing::ModelSizes shape;
  silicon::Hardware hardware;
  timing::Profile profile;
  explicit Case(timing::ModelSizes its_shape, const std::string& machine = "wse-3")
      : shape(std::move(its_shape)),
        hardware(*silicon::LoadHardware(machine)),
        profile(*timing::LoadProfile("vendor-2024")) {}
  explicit Case(const std::string& model, const std::string& machine = "wse-3")
      : Case(*timing::LoadModelShape(model), machine) {}
  PlacementTask Task() const {
    return {.shape = shape, .wafer = *hardware.wafer(), .profile = profile};
  }
};

timing::ModelSizes Dense20B() {
  return {.name = "dense-20b",
          .layers = 48,
          .hidden = 6144,
          .heads = 48,
          .kv_heads = 8,
          .head_dim = 128,
          .ffn = 16896,
          .vocab = 50432};
}

// The laws of any placement: what they are for is said at each.
void CheckLaws(const PlacementTask& task, const Placement& p) {
  REQUIRE(p.sram.size() == static_cast<size_t>(p.depth));
  double weights = 0;
  std::vector<int> layers(static_cast<size_t>(task.shape.layers), 0);
  for (size_t i = 0; i < p.pieces.size(); ++i) {
    const PlacedPiece& a = p.pieces[i];
    if (i > 0) REQUIRE(a.place >= p.pieces[i - 1].place);  // a token never goes back
    if (a.part == Part::kLayer) ++layers[static_cast<size_t>(a.layer)];
    weights += a.weight_bytes * p.tensor;
    // On the mesh.
    REQUIRE((a.region.column >= 0 && a.region.row >= 0));
    REQUIRE(a.region.column + a.region.columns <= p.mesh.columns);
    REQUIRE(a.region.row + a.region.rows <= p.mesh.rows);
    // Room for what it holds.
    REQUIRE(a.region.cores() * p.usable_bytes_per_core >= a.weight_bytes + a.kv_bytes);
    for (size_t j = 0; j < i; ++j) {
      const Rectangle &r = a.region, &s = p.pieces[j].region;
      const bool apart = r.column + r.columns <= s.column || s.column + s.columns <= r.column ||
                         r.row + r.rows <= s.row || s.row + s.rows <= r.row;
      REQUIRE((p.pieces[j].place != a.place || apart));
    }
  }
  for (const int count : layers) REQUIRE(count == 1);  // every layer lies somewhere, once
  // A tied matrix lies once if table and output share their wafer.
  const bool twice = task.shape.tied_embeddings && p.depth > 1;
  const double all =
      timing::TotalParameters(task.shape) + (twice ? timing::VocabularyParameters(task.shape) : 0);
  // No weight is lost; tensor shares of heads may round up.
  REQUIRE(weights >= all * task.bytes_per_weight * (1 - 1e-9));
  if (p.tensor == 1) REQUIRE(weights == Approx(all * task.bytes_per_weight));
  for (const SramUse& use : p.sram) {
    for (const double part :
         {use.weights, use.kv, use.embedding_and_output, use.free, use.code_and_buffers}) {
      REQUIRE(part >= 0);
    }
    REQUIRE(use.total() == Approx(std::min(task.wafer.sram_per_wafer_bytes.value,
                                           task.wafer.sram_per_core_bytes.value * p.mesh.cores())));
  }
}

void CheckSpeed(const PlacementTask& task, const Placement& p) {
  const PlacementSpeed s = SpeedOf(task, p);
  for (const double value : {s.pass_seconds, s.bottleneck_seconds, s.user_tokens_per_second,
                             s.full_tokens_per_second, s.aggregate_tokens_per_second}) {
    REQUIRE((std::isfinite(value) && value > 0));
  }
  REQUIRE((s.balance() > 0 && s.balance() <= 1 + 1e-9));
  REQUIRE(s.full_tokens_per_second >= s.aggregate_tokens_per_second * (1 - 1e-9));
  const Tokens context(task.context);
  REQUIRE(s.costs.TokenLatency(context).as_double() * 1e-9 == Approx(s.pass_seconds).margin(2e-9));
  REQUIRE(s.costs.StageTime(context).as_double() * 1e-9 ==
          Approx(s.bottleneck_seconds).margin(2e-9));
  REQUIRE(s.costs.KvCapacity() >= Tokens(task.context * p.users_per_replica - 1));
}

TEST_CASE("70B in FP16 takes four wafers, 20B one") {
  const Case large("llama-3.1-70b");
  const auto four = Place(large.Task());
  REQUIRE(four.ok());
  CHECK(four->wafers() == 4);
  const Case small(Dense20B());
  REQUIRE(timing::TotalParameters(small.shape) == Approx(20e9).epsilon(0.02));
  PlacementTask task = small.Task();
  task.context = 1024;
  const auto one = Place(task);
  INFO(one.status());
  REQUIRE(one.ok());
  CHECK(one->wafers() == 1);
  CheckLaws(task, *one);
}

TEST_CASE("a placement's laws hold for every known model") {
  for (const std::string& model : timing::BuiltInModelShapes()) {
    for (const char* machine : {"wse-2", "wse-3", "wse-3-2x"}) {
      for (const int tensor : {1, 2, 3}) {
        INFO(model << " on " << machine << ", " << tensor << " wafers a layer");
        const Case c(model, machine);
        PlacementTask task = c.Task();
        task.tensor = tensor;
        const auto p = Place(task);
        INFO(p.status());
        if (p.status().code() == absl::StatusCode::kResourceExhausted) continue;
        REQUIRE(p.ok());
        CheckLaws(task, *p);
        CheckSpeed(task, *p);
      }
    }
  }
}

timing::ModelSizes RandomShape(SeededStream& draws) {
  const auto pick = [&draws](int64_t least, int64_t most) {
    return least + static_cast<int64_t>(draws.Uniform() * static_cast<double>(most - least + 1));
  };
  timing::ModelSizes s{.name = "random"};
  s.layers = pick(1, 90);
  s.kv_heads = pick(1, 12);
  s.heads = s.kv_heads * pick(1, 8);
  s.head_dim = 32 * pick(1, 8);
  s.hidden = 64 * pick(1, 130);
  s.ffn = 64 * pick(1, 500);
  s.vocab = pick(100, 200'000);
  s.tied_embeddings = draws.Uniform() < 0.4;
  if (draws.Uniform() < 0.3) s.window = timing::SlidingWindow{pick(1, 5000), pick(1, 3)};
  if (draws.Uniform() < 0.3) {
    const int64_t total = pick(1, 64);
    s.experts = timing::Experts{.total = total,
                                .active = pick(1, total),
                                .shared = pick(0, 2),
                                .width = 64 * pick(1, 40),
                                .first = pick(0, s.layers - 1),
                                .every = 1};
  }
  return s;
}

TEST_CASE("a placement's laws hold for random models, or it says why not") {
  int placed = 0, refused = 0;
  for (uint64_t seed = 0; seed < 250; ++seed) {
    INFO("seed " << seed);
    SeededStream draws(seed);
    const Case c(RandomShape(draws));
    PlacementTask task = c.Task();
    task.context = 1 + static_cast<int64_t>(draws.Uniform() * 20'000);
    task.users = 1 + static_cast<int64_t>(draws.Uniform() * 30);
    task.tensor = 1 + static_cast<int>(draws.Uniform() *
                                       std::min<double>(3, static_cast<double>(c.shape.heads)));
    task.replicas = 1 + static_cast<int>(draws.Uniform() * 3);
    if (draws.Uniform() < 0.5) {
      task.wafers = task.tensor * task.replicas * (1 + static_cast<int>(draws.Uniform() * 4));
    }
    const auto p = Place(task);
    INFO(p.status());
    if (!p.ok()) {
      ++refused;
      CHECK((p.status().code() == absl::StatusCode::kResourceExhausted ||
             p.status().code() == absl::StatusCode::kInvalidArgument));
      continue;
    }
    ++placed;
    if (task.wafers > 0) CHECK(p->wafers() == task.wafers);
    CheckLaws(task, *p);
    CheckSpeed(task, *p);
  }
  CHECK(placed > 100);
  CHECK(refused > 5);
}

TEST_CASE("the fewest wafers are the fewest") {
  for (const char* model : {"llama-3.1-70b", "qwen3-32b", "llama-4-scout"}) {
    INFO(model);
    const Case c(model);
    PlacementTask task = c.Task();
    const auto p = Place(task);
    REQUIRE(p.ok());
    task.wafers = p->wafers() - 1;
    CHECK(Place(task).status().code() == absl::StatusCode::kResourceExhausted);
  }
}

TEST_CASE("replicas share the users, tensor parallelism the layers") {
  const Case c("llama-3.1-8b");
  PlacementTask task = c.Task();
  task.users = 10;
  const auto one = Place(task);
  REQUIRE(one.ok());
  task.replicas = 3;
  const auto three = Place(task);
  REQUIRE(three.ok());
  CHECK(three->wafers() == 3);
  CHECK(three->users_per_replica == 4);
  CHECK(SpeedOf(task, *three).full_tokens_per_second ==
        Approx(3 * SpeedOf(task, *one).full_tokens_per_second).epsilon(0.02));
  task.replicas = 1;
  task.tensor = 4;
  const auto shared = Place(task);
  REQUIRE(shared.ok());
  CHECK(shared->wafers() == 4);
  CHECK(shared->pieces[1].weight_bytes == Approx(one->pieces[1].weight_bytes / 4));
  // Each layer waits for two sums over Ethernet: that is the price.
  CHECK(SpeedOf(task, *shared).pass_seconds >
        SpeedOf(task, *one).pass_seconds +
            static_cast<double>(c.shape.layers) * task.wafer.wafer_to_wafer_seconds.value);
}

// The refusal promises plans: each of them must hold.
TEST_CASE("what does not fit is refused with the arithmetic and plans that fit") {
  const Case c("llama-3.1-70b");
  PlacementTask task = c.Task();
  task.wafers = 4;
  task.users = 1000;
  task.context = 8192;
  const absl::Status refused = Place(task).status();
  REQUIRE(refused.code() == absl::StatusCode::kResourceExhausted);
  const std::string message(refused.message());
  INFO(message);
  CHECK(message.find("141.") != std::string::npos);  // GB of weights
  const size_t at = message.find("What would fit: ");
  REQUIRE(at != std::string::npos);
  int users = 0;
  REQUIRE(sscanf(message.c_str() + at, "What would fit: %d user(s)", &users) == 1);
  task.users = users;
  CHECK(Place(task).ok());
  task.users = users + 1;
  CHECK_FALSE(Place(task).ok());
  CHECK(message.find(" wafers", at) != std::string::npos);
}

TEST_CASE("a layer larger than a wafer asks for tensor parallelism") {
  timing::ModelSizes wide = Dense20B();
  wide.layers = 2;
  wide.ffn = 2'000'000;
  const Case c(wide);
  PlacementTask task = c.Task();
  const absl::Status refused = Place(task).status();
  REQUIRE(refused.code() == absl::StatusCode::kResourceExhausted);
  INFO(refused);
  CHECK(Std(refused.message()).find("2 wafers to a layer") != std::string::npos);
  task.tensor = 2;
  CHECK(Place(task).ok());
}

TEST_CASE("numbers out of range are named") {
  const Case c("llama-3.1-8b");
  const auto refuses = [&](const char* word, auto change) {
    PlacementTask task = c.Task();
    change(&task);
    const absl::Status status = Place(task).status();
    INFO(word << ": " << status);
    CHECK(status.code() == absl::StatusCode::kInvalidArgument);
    CHECK(Std(status.message()).find(word) != std::string::npos);
  };
  refuses("context", [](PlacementTask* t) { t->context = 0; });
  refuses("context", [](PlacementTask* t) { t->context = INT64_MAX; });
  refuses("users", [](PlacementTask* t) { t->users = -1; });
  refuses("wafers", [](PlacementTask* t) { t->wafers = -4; });
  refuses("wafers", [](PlacementTask* t) { t->wafers = 40; });  // more than pieces
  refuses("multiple", [](PlacementTask* t) { t->wafers = 3, t->tensor = 2; });
  refuses("tensor", [](PlacementTask* t) { t->tensor = 0; });
  refuses("heads", [](PlacementTask* t) { t->tensor = 33; });
  refuses("replicas", [](PlacementTask* t) { t->replicas = 100'000; });
  refuses("weight", [](PlacementTask* t) { t->bytes_per_weight = NAN; });
  refuses("KV", [](PlacementTask* t) { t->bytes_per_kv_value = 0; });
}

}  // namespace
}  // namespace waferline::placement
