// The experts of each shard's layers over several workers: the same bits (law 4), and between a
// shard and its workers as many bytes as the tokens routed to them have (law 3).
#include <algorithm>
#include <catch2/catch.hpp>
#include <memory>
#include <numeric>

#include "tests/unit/wafer_backend/compute/plane/remote_workers.h"
#include "wafer_backend/compute/model/families/families.h"
#include "wafer_backend/compute/shard/layer_server.h"

namespace waferline::plane {
namespace {

constexpr int64_t kExperts = 16, kHidden = 64;

test::RandomModelSpec SpecOf(const std::string& family, kernels::DType dtype) {
  test::RandomModelSpec spec;
  spec.architecture = family;
  spec.dtype = dtype;
  spec.layers = 4;
  spec.experts = kExperts;
  spec.experts_used = 3;
  spec.seed = 70;
  return spec;
}

PlaneOptions InProcess(std::shared_ptr<const model::GgufFile> file, int64_t shards, int64_t over) {
  PlaneOptions options = OneShard(std::move(file));
  options.local.shards = shards;
  options.local.experts_over = over;
  return options;
}

std::vector<SequenceSpec> SomeSpecs(int count, uint64_t seed) {
  SeededStream random(seed);
  return RandomSpecs(&random, count, 20);
}

// Of all layers and rows, those whose expert is not with the shard itself.
uint64_t RoutedElsewhere(const std::vector<uint64_t>& expert_tokens, int64_t over) {
  const int64_t own = shard::CutExperts(kExperts, over)[0].end;
  return std::accumulate(expert_tokens.begin() + own, expert_tokens.end(), uint64_t{0});
}

// How many experts compute a token in all layers.
uint64_t ExpertsOfToken(const model::GgufFile& file) {
  const auto shape = model::ReadShape(file);
  REQUIRE(shape.ok());
  const auto layers = std::count_if(shape->plan.begin(), shape->plan.end(),
                                    [](const model::LayerPlan& plan) { return plan.experts; });
  return static_cast<uint64_t>(layers * shape->experts.router.chosen);
}

void RequireBytes(const PlaneCounters& counters, const model::GgufFile& file, int64_t over) {
  REQUIRE(counters.expert_tokens.size() == kExperts);
  const uint64_t routed =
      std::accumulate(counters.expert_tokens.begin(), counters.expert_tokens.end(), uint64_t{0});
  REQUIRE(routed == counters.decode_rows * ExpertsOfToken(file));
  link::LinkBytes sum;
  for (const link::LinkBytes& shard : counters.expert_bytes) sum += shard;
  const uint64_t elsewhere = RoutedElsewhere(counters.expert_tokens, over);
  REQUIRE(sum.payload == elsewhere * kHidden * sizeof(float));
  // Header, exchange, layer, width, two counts; a count for each of the worker's experts.
  const auto each = static_cast<uint64_t>(8 + 8 + 4 + 4 + 4 + 4 + 4 * (kExperts / over));
  REQUIRE(sum.framing == sum.frames * each);
  REQUIRE((over == 1) == (sum.frames == 0));
}

TEST_CASE("laws 3 and 4: 16 experts over 1, 2, 4 and 16 workers, with others and alone") {
  const std::string family = GENERATE("qwen3moe", "gpt-oss", "llama4", "deepseek2");
  const auto dtype = family == "qwen3moe" ? kernels::DType::kQ8_0 : kernels::DType::kF32;
  const auto file = OpenRandom(SpecOf(family, dtype));
  const std::vector<SequenceSpec> specs = SomeSpecs(8, 11);
  const auto want = EachAlone(OneShard(file), specs);
  struct Variant {
    int64_t shards, over, max_batch;
    int threads;
  };
  for (const Variant& v : {Variant{1, 1, 64, 2}, Variant{1, 2, 64, 2}, Variant{1, 4, 64, 1},
                           Variant{4, 4, 3, 2}, Variant{2, 16, 64, 1}}) {
    INFO(family << " shards " << v.shards << " over " << v.over << " batch " << v.max_batch);
    PlaneOptions options = InProcess(file, v.shards, v.over);
    options.max_batch = v.max_batch;
    options.threads = v.threads;
    TestWaker waker;
    auto plane = PlaneOf(options, &waker);
    const auto got = RunAll(plane.get(), &waker, specs);
    for (size_t i = 0; i < specs.size(); ++i) REQUIRE(SameValues(got[i], want[i]));
    RequireEmpty(plane.get());
    REQUIRE(plane->counters().expert_bytes.size() == static_cast<size_t>(v.shards));
    RequireBytes(plane->counters(), *file, v.over);
  }
}

TEST_CASE("law 2: each worker's experts are in its own SRAM, and no longer in the shard's") {
  const auto file = OpenRandom(SpecOf("qwen3moe", kernels::DType::kF32));
  TestWaker waker;
  const ShardMemory whole = PlaneOf(InProcess(file, 1, 1), &waker)->memory()[0];
  const ShardMemory part = PlaneOf(InProcess(file, 1, 4), &waker)->memory()[0];
  // Three matrices of 32 x 64 each.
  REQUIRE(whole.weights - part.weights == Bytes(4 * 12 * 3 * 32 * kHidden * 4));
  PlaneOptions small = InProcess(file, 1, 2);
  small.local.sram = part.weights;
  const auto refused = ComputePlane::Create(small, &waker);
  REQUIRE(absl::IsResourceExhausted(refused.status()));
}

TEST_CASE("experts over more workers than there are, or of a model without, are refused") {
  TestWaker waker;
  const auto refused = [&](std::shared_ptr<const model::GgufFile> file, int64_t over) {
    const auto plane = ComputePlane::Create(InProcess(std::move(file), 1, over), &waker);
    REQUIRE(absl::IsInvalidArgument(plane.status()));
    return std::string(plane.status().message());
  };
  REQUIRE(refused(OpenRandom(SpecOf("qwen3moe", kernels::DType::kF32)), 17) ==
          "experts over: 17 is out of range [1, 16], the model's experts");
  REQUIRE(refused(OpenRandom(ModelSpec()), 2) == "experts over: the model has no experts");
}

std::unique_ptr<Server> StartExperts(const std::string& model, shard::ExpertRange experts,
                                     const std::string& listen = "127.0.0.1:0") {
  shard::ExpertServerOptions options;
  options.listen = listen;
  options.model_path = model;
  options.worker.layers = {0, 4};
  options.worker.experts = experts;
  options.threads = 1;
  return std::make_unique<Server>(&shard::RunExpertServer, options);
}

// Two shards whose first four experts are their own; three workers that serve both.
struct ExpertCloud {
  explicit ExpertCloud(const ModelOnDisk& disk) : model(disk.path()) {
    for (const shard::ExpertRange part : {shard::ExpertRange{4, 8}, {8, 12}, {12, 16}}) {
      experts.push_back(StartExperts(model, part));
    }
    for (const shard::LayerRange layers : {shard::LayerRange{0, 2}, {2, 4}}) {
      cloud.shards.push_back(StartShardOf(layers, {0, 4}));
    }
    cloud.prefill = StartPrefill(model, 64);
  }
  std::unique_ptr<Server> StartShardOf(shard::LayerRange layers, shard::ExpertRange own) const {
    shard::ShardServerOptions options;
    options.model_path = model;
    options.shard.range = layers;
    options.shard.page_tokens = kPage;
    options.shard.experts = own;
    for (const auto& worker : experts) options.workers.push_back(worker->endpoint());
    options.worker_patience = Seconds(5);
    options.threads = 1;
    return std::make_unique<Server>(&shard::RunShardServer, options);
  }
  const std::string model;
  std::vector<std::unique_ptr<Server>> experts;
  Cloud cloud;
};

TEST_CASE("laws 3 and 4 with workers of experts over TCP") {
  const ModelOnDisk disk(SpecOf("qwen3moe", kernels::DType::kQ8_0));
  const std::vector<SequenceSpec> specs = SomeSpecs(8, 12);
  const auto want = EachAlone(OneShard(disk.file()), specs);
  const ExpertCloud cloud(disk);
  TestWaker waker;
  auto plane = PlaneOf(cloud.cloud.Options(disk.file()), &waker);
  const auto got = RunAll(plane.get(), &waker, specs);
  for (size_t i = 0; i < specs.size(); ++i) REQUIRE(SameValues(got[i], want[i]));
  RequireEmpty(plane.get());
  RequireBytes(plane->counters(), *disk.file(), 4);
}

TEST_CASE("a worker of experts that dies and comes back: the same tokens") {
  const ModelOnDisk disk(SpecOf("qwen3moe", kernels::DType::kQ8_0));
  const std::vector<SequenceSpec> specs = SomeSpecs(2, 13);
  const auto want = EachAlone(OneShard(disk.file()), specs);
  ExpertCloud cloud(disk);
  TestWaker waker;
  auto plane = PlaneOf(cloud.cloud.Options(disk.file()), &waker);
  const TokenValue* value = nullptr;
  plane->Prefill(SequenceId{1}, specs[0]);
  plane->Activate(SequenceId{1});
  plane->Want(SequenceId{1}, 5);
  REQUIRE(waker.WaitUntil(
      [&] { return plane->Look(SequenceId{1}, 4, &value) == ValueSource::State::kReady; }));
  const std::string endpoint = cloud.experts[1]->endpoint();
  cloud.experts[1]->Stop();
  plane->Want(SequenceId{1}, 20);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (plane->counters().outage.empty()) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  cloud.experts[1] = StartExperts(disk.path(), {8, 12}, endpoint);
  for (uint32_t next = 5; next < 20; ++next) {
    ValueSource::State state = ValueSource::State::kPending;
    REQUIRE(waker.WaitUntil([&] {
      state = plane->Look(SequenceId{1}, next, &value);
      return state != ValueSource::State::kPending;
    }));
    REQUIRE(state == ValueSource::State::kReady);
    REQUIRE(SameValue(*value, want[0][next]));
  }
  REQUIRE(plane->counters().host_recoveries[0] >= 1);
  plane->End(SequenceId{1});
  const auto got = RunAll(plane.get(), &waker, specs, 10);
  for (size_t i = 0; i < specs.size(); ++i) REQUIRE(SameValues(got[i], want[i]));
  RequireEmpty(plane.get());
}

TEST_CASE("a worker of experts that is silent: Unavailable within its patience") {
  const ModelOnDisk disk(SpecOf("qwen3moe", kernels::DType::kQ8_0));
  link::HelloFrame hello;
  hello.role = link::Role::kExperts;
  hello.model_fingerprint = shard::FingerprintOf(*disk.file());
  hello.end_layer = hello.layer_count = 4;
  hello.max_rows = 1024;
  hello.first_expert = 4;
  hello.end_expert = 16;
  const SilentWorker silent(hello);
  Cloud cloud;
  shard::ShardServerOptions options;
  options.model_path = disk.path();
  options.shard.range = {0, 4};
  options.shard.page_tokens = kPage;
  options.shard.experts = {0, 4};
  options.workers = {silent.endpoint()};
  options.worker_patience = Milliseconds(200);
  options.threads = 1;
  cloud.shards.push_back(std::make_unique<Server>(&shard::RunShardServer, options));
  cloud.prefill = StartPrefill(disk.path(), 64);
  TestWaker waker;
  auto plane = PlaneOf(cloud.Options(disk.file()), &waker);
  const SequenceSpec spec = SomeSpecs(1, 14)[0];
  plane->Prefill(SequenceId{1}, spec);
  plane->Activate(SequenceId{1});
  plane->Want(SequenceId{1}, 20);
  const TokenValue* value = nullptr;
  REQUIRE(waker.WaitUntil(
      [&] { return plane->Look(SequenceId{1}, 1, &value) == ValueSource::State::kFailed; }));
  REQUIRE(absl::IsUnavailable(plane->Failure(SequenceId{1})));
  REQUIRE(plane->Failure(SequenceId{1}).ToString().find("it is silent") != std::string::npos);
}

TEST_CASE("workers of experts that do not fit are refused with the reason") {
  const ModelOnDisk disk(SpecOf("qwen3moe", kernels::DType::kQ8_0));
  ExpertCloud cloud(disk);
  TestWaker waker;
  const auto refused = [&](shard::ExpertRange own) {
    cloud.cloud.shards[1] = cloud.StartShardOf({2, 4}, own);
    const auto plane = ComputePlane::Create(cloud.cloud.Options(disk.file()), &waker);
    REQUIRE_FALSE(plane.ok());
    return plane.status().ToString();
  };
  REQUIRE(refused({0, 3}).find("expert 3 of 16 should come next") != std::string::npos);
  REQUIRE(refused({0, 5}).find("each expert once") != std::string::npos);
  cloud.experts[1] = StartShard(disk.path(), {0, 4});
  REQUIRE(refused({0, 4}).find("connect to a shard, not a shard") != std::string::npos);
}

TEST_CASE("a worker of experts takes only rows for its layers and experts") {
  kernels::ThreadPool pool(1);
  const auto model = shard::PackedModel::LoadPart(
      OpenRandom(SpecOf("qwen3moe", kernels::DType::kF32)),
      {.layers = {1, 3}, .experts = {4, 6}, .side = shard::LayerSide::kExperts}, &pool);
  REQUIRE(model.ok());
  const auto worker = shard::ExpertWorker::Create(
      *model, {.layers = {1, 3}, .experts = {4, 6}, .max_rows = 2}, &pool);
  REQUIRE(worker.ok());
  const auto refused = [&](link::LayerRowsFrame frame) {
    frame.hidden.resize(std::accumulate(frame.counts.begin(), frame.counts.end(), 0u) *
                        frame.width);
    return !(*worker)->Compute(&frame).ok();
  };
  REQUIRE_FALSE(refused({.layer = 1, .width = 64, .counts = {1, 0}}));
  REQUIRE_FALSE(refused({.layer = 2, .width = 64, .counts = {2, 2}}));
  REQUIRE(refused({.layer = 0, .width = 64, .counts = {1, 0}}));
  REQUIRE(refused({.layer = 3, .width = 64, .counts = {1, 0}}));
  REQUIRE(refused({.layer = 1, .width = 32, .counts = {1, 0}}));
  REQUIRE(refused({.layer = 1, .width = 64, .counts = {1}}));
  REQUIRE(refused({.layer = 1, .width = 64, .counts = {3, 2}}));
  for (const shard::ExpertRange wrong : {shard::ExpertRange{3, 6}, {4, 7}, {4, 4}}) {
    REQUIRE(absl::IsInvalidArgument(
        shard::ExpertWorker::Create(*model, {.layers = {1, 3}, .experts = wrong}, &pool).status()));
  }
}

}  // namespace
}  // namespace waferline::plane
