// Attention and feed-forward parts apart, through the whole plane: the same bits (law 4) and as
// many bytes as the law says (law 3), in process and over TCP; workers of either side that die, are
// silent or are not the right ones.
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <utility>

#include "tests/unit/wafer_backend/compute/plane/remote_workers.h"
#include "wafer_backend/compute/shard/layer_server.h"

namespace waferline::plane {
namespace {

constexpr int64_t kLayers = 4, kHidden = 64;

test::RandomModelSpec SpecOf(const std::string& family) {
  test::RandomModelSpec spec = ModelSpec();
  spec.architecture = family;
  spec.window = 7;
  return spec;
}

PlaneOptions InProcess(std::shared_ptr<const model::GgufFile> file, int64_t attention, int64_t ffn,
                       int64_t micro_batches) {
  PlaneOptions options = OneShard(std::move(file));
  options.local.shards = attention;
  options.local.feed_forward_workers = ffn;
  options.local.micro_batches = micro_batches;
  return options;
}

std::vector<SequenceSpec> SomeSpecs(int count, uint64_t seed) {
  SeededStream random(seed);
  return RandomSpecs(&random, count, 20);
}

void RequireBytes(const PlaneCounters& counters, size_t attention) {
  REQUIRE(counters.feed_forward_bytes.size() == attention);
  link::LinkBytes sum;
  for (const link::LinkBytes& worker : counters.feed_forward_bytes) sum += worker;
  REQUIRE(counters.decode_rows > 0);
  REQUIRE(sum.payload == counters.decode_rows * kLayers * kHidden * (4 + 4));
}

TEST_CASE("laws 3 and 4: split over workers of this process, with others and alone") {
  const std::string family = GENERATE("llama", "gemma3", "qwen3moe", "deepseek2", "starcoder2");
  const auto file = OpenRandom(SpecOf(family));
  const std::vector<SequenceSpec> specs = SomeSpecs(8, 21);
  const auto want = EachAlone(OneShard(file), specs);
  struct Variant {
    int64_t attention, ffn, micro_batches, max_batch;
  };
  for (const Variant& v :
       {Variant{1, 1, 1, 64}, Variant{2, 1, 2, 64}, Variant{1, 4, 3, 3}, Variant{4, 3, 5, 64}}) {
    INFO(family << " " << v.attention << " to " << v.ffn << ", " << v.micro_batches
                << " micro-batches, batch " << v.max_batch);
    PlaneOptions options = InProcess(file, v.attention, v.ffn, v.micro_batches);
    options.max_batch = v.max_batch;
    TestWaker waker;
    auto plane = PlaneOf(options, &waker);
    const auto got = RunAll(plane.get(), &waker, specs);
    for (size_t i = 0; i < specs.size(); ++i) REQUIRE(SameValues(got[i], want[i]));
    RequireEmpty(plane.get());
    RequireBytes(plane->counters(), static_cast<size_t>(v.attention));
    REQUIRE(plane->counters().expert_bytes.empty());
  }
}

TEST_CASE("guessed tokens, split: the same bits") {
  const auto file = OpenRandom(SpecOf("llama"));
  const std::vector<SequenceSpec> specs = SomeSpecs(4, 22);
  const auto want = EachAlone(OneShard(file), specs);
  PlaneOptions options = InProcess(file, 2, 1, 2);
  options.speculation.lookup = true;
  TestWaker waker;
  auto plane = PlaneOf(options, &waker);
  const auto got = RunAll(plane.get(), &waker, specs);
  for (size_t i = 0; i < specs.size(); ++i) REQUIRE(SameValues(got[i], want[i]));
}

TEST_CASE("more workers than layers, or experts spread too, are refused") {
  TestWaker waker;
  const auto refused = [&](PlaneOptions options) {
    const auto plane = ComputePlane::Create(options, &waker);
    REQUIRE(absl::IsInvalidArgument(plane.status()));
    return std::string(plane.status().message());
  };
  const auto file = OpenRandom(SpecOf("qwen3moe"));
  REQUIRE(refused(InProcess(file, 5, 1, 1)) ==
          "shards: 5 is out of range [1, 4], the model's layers");
  REQUIRE(refused(InProcess(file, 1, 5, 1)) ==
          "feed-forward workers: 5 is out of range [0, 4], the model's layers");
  PlaneOptions both = InProcess(file, 1, 1, 1);
  both.local.experts_over = 2;
  REQUIRE(refused(both) == "experts over: feed-forward workers have all experts of their layers");
  REQUIRE(refused(InProcess(file, 1, 0, 2)).find("micro_batches: 2 is out of range [1, 1]") == 0);
}

std::unique_ptr<Server> StartFeedForward(const std::string& model, shard::LayerRange layers,
                                         const std::string& listen = "127.0.0.1:0") {
  shard::FeedForwardServerOptions options;
  options.listen = listen;
  options.model_path = model;
  options.worker.layers = layers;
  options.liveness = kFastBeats;
  options.threads = 1;
  return std::make_unique<Server>(&shard::RunFeedForwardServer, options);
}

std::unique_ptr<Server> StartAttention(const std::string& model, shard::LayerRange layers,
                                       const std::vector<std::string>& workers,
                                       const std::string& listen = "127.0.0.1:0") {
  shard::ShardServerOptions options;
  options.listen = listen;
  options.model_path = model;
  options.shard.range = layers;
  options.shard.page_tokens = kPage;
  options.shard.feed_forward_elsewhere = true;
  options.shard.micro_batches = 2;
  options.workers = workers;
  options.worker_patience = Seconds(5);
  options.liveness = kFastBeats;
  options.threads = 1;
  return std::make_unique<Server>(&shard::RunShardServer, options);
}

// Two attention workers; feed-forward workers of layers 0 to 2 and of layer 3.
struct SplitCloud {
  explicit SplitCloud(const ModelOnDisk& disk) : model(disk.path()), file(disk.file()) {
    ffn.push_back(StartFeedForward(model, {0, 3}));
    ffn.push_back(StartFeedForward(model, {3, 4}));
    cloud.shards.push_back(StartAttention(model, {0, 2}, Both()));
    cloud.shards.push_back(StartAttention(model, {2, 4}, Both()));
    cloud.prefill = StartPrefill(model, 64);
  }
  std::vector<std::string> Both() const { return {ffn[0]->endpoint(), ffn[1]->endpoint()}; }
  // Of one driver, each time with a later fence.
  PlaneOptions Options() {
    PlaneOptions options = cloud.Options(file);
    options.remote.attention = true;
    options.remote.credentials = {.cell = "demo", .worker = "front-a", .incarnation = 1};
    options.remote.credentials.fence.generation = 1000 * ++drivers;
    return options;
  }
  const std::string model;
  const std::shared_ptr<const model::GgufFile> file;
  std::vector<std::unique_ptr<Server>> ffn;
  Cloud cloud;
  uint64_t drivers = 0;
};

TEST_CASE("laws 3 and 4, split over TCP") {
  const ModelOnDisk disk(SpecOf(GENERATE("llama", "qwen3moe")));
  const std::vector<SequenceSpec> specs = SomeSpecs(8, 23);
  const auto want = EachAlone(OneShard(disk.file()), specs);
  SplitCloud cloud(disk);
  TestWaker waker;
  auto plane = PlaneOf(cloud.Options(), &waker);
  const auto got = RunAll(plane.get(), &waker, specs);
  for (size_t i = 0; i < specs.size(); ++i) REQUIRE(SameValues(got[i], want[i]));
  RequireEmpty(plane.get());
  RequireBytes(plane->counters(), 2);
}

TEST_CASE("a worker of either side that dies and comes back: the same tokens") {
  const ModelOnDisk disk(SpecOf("llama"));
  const std::vector<SequenceSpec> specs = SomeSpecs(2, 24);
  const auto want = EachAlone(OneShard(disk.file()), specs);
  SplitCloud cloud(disk);
  TestWaker waker;
  auto plane = PlaneOf(cloud.Options(), &waker);
  uint64_t id = 1, recoveries = 0;
  for (const bool attention : {false, true, false}) {
    INFO("attention " << attention);
    const SequenceId first{id++};
    const TokenValue* value = nullptr;
    plane->Prefill(first, specs[0]);
    plane->Activate(first);
    plane->Want(first, 5);
    REQUIRE(waker.WaitUntil(
        [&] { return plane->Look(first, 4, &value) == ValueSource::State::kReady; }));
    std::unique_ptr<Server>& victim = attention ? cloud.cloud.shards[1] : cloud.ffn[1];
    const std::string endpoint = victim->endpoint();
    victim->Stop();
    victim = attention ? StartAttention(disk.path(), {2, 4}, cloud.Both(), endpoint)
                       : StartFeedForward(disk.path(), {3, 4}, endpoint);
    plane->Want(first, 20);
    for (uint32_t next = 5; next < 20; ++next) {
      ValueSource::State state = ValueSource::State::kPending;
      REQUIRE(waker.WaitUntil([&] {
        state = plane->Look(first, next, &value);
        return state != ValueSource::State::kPending;
      }));
      REQUIRE(state == ValueSource::State::kReady);
      REQUIRE(SameValue(*value, want[0][next]));
    }
    const uint64_t before = std::exchange(recoveries, plane->counters().host_recoveries[0]);
    REQUIRE(recoveries > before);
    plane->End(first);
    const auto got = RunAll(plane.get(), &waker, specs, id);
    id += specs.size();
    for (size_t i = 0; i < specs.size(); ++i) REQUIRE(SameValues(got[i], want[i]));
    RequireEmpty(plane.get());
  }
}

TEST_CASE("a feed-forward worker that is silent: Unavailable within its patience, by name") {
  const ModelOnDisk disk(SpecOf("llama"));
  link::HelloFrame hello;
  hello.role = link::Role::kFeedForward;
  hello.model_fingerprint = shard::FingerprintOf(*disk.file());
  hello.end_layer = hello.layer_count = kLayers;
  hello.max_rows = 1024;
  const SilentWorker silent(hello);
  Cloud cloud;
  shard::ShardServerOptions options;
  options.model_path = disk.path();
  options.shard.range = {0, kLayers};
  options.shard.page_tokens = kPage;
  options.shard.feed_forward_elsewhere = true;
  options.workers = {silent.endpoint()};
  options.worker_patience = Milliseconds(200);
  options.threads = 1;
  cloud.shards.push_back(std::make_unique<Server>(&shard::RunShardServer, options));
  cloud.prefill = StartPrefill(disk.path(), 64);
  PlaneOptions plane_options = cloud.Options(disk.file());
  plane_options.remote.attention = true;
  TestWaker waker;
  auto plane = PlaneOf(plane_options, &waker);
  const TokenValue* value = nullptr;
  plane->Prefill(SequenceId{1}, SomeSpecs(1, 25)[0]);
  plane->Activate(SequenceId{1});
  plane->Want(SequenceId{1}, 2);
  REQUIRE(waker.WaitUntil(
      [&] { return plane->Look(SequenceId{1}, 1, &value) == ValueSource::State::kFailed; }));
  const absl::Status failure = plane->Failure(SequenceId{1});
  REQUIRE(absl::IsUnavailable(failure));
  REQUIRE(failure.ToString().find("the feed-forward worker at " + silent.endpoint() +
                                  ": it is silent") != std::string::npos);
}

TEST_CASE("one driver owns the workers of both sides, a later epoch takes them over") {
  const ModelOnDisk disk(SpecOf("llama"));
  const std::vector<SequenceSpec> specs = SomeSpecs(2, 26);
  SplitCloud cloud(disk);
  // A second driver, started again and again, with attention workers of its own or the first's.
  Cloud own;
  own.shards.push_back(StartAttention(disk.path(), {0, kLayers}, cloud.Both()));
  own.prefill = StartPrefill(disk.path(), 64);
  uint64_t starts = 1;
  const auto second = [&](const Cloud& workers, uint64_t epoch) {
    PlaneOptions options = workers.Options(disk.file());
    options.remote.attention = true;
    options.remote.prefill = {own.prefill->endpoint()};
    options.remote.credentials = {.cell = "demo", .worker = "front-b", .incarnation = ++starts};
    options.remote.credentials.fence.epoch = epoch;
    options.remote.max_outage = Seconds(2);
    return options;
  };
  TestWaker waker, other;
  PlaneOptions options = cloud.Options();
  options.remote.max_outage = Seconds(2);
  auto first = PlaneOf(options, &waker);
  const auto want = RunAll(first.get(), &waker, specs, 1);
  for (const bool attention : {true, false}) {
    const auto refused = ComputePlane::Create(second(attention ? cloud.cloud : own, 0), &other);
    REQUIRE_FALSE(refused.ok());
    INFO(refused.status());
    REQUIRE(refused.status().ToString().find(
                std::string("driver \"front-a\" of cell \"demo\" owns this ") +
                (attention ? "attention worker" : "feed-forward worker")) != std::string::npos);
    const auto got = RunAll(first.get(), &waker, specs, attention ? 10 : 20);
    for (size_t i = 0; i < specs.size(); ++i) REQUIRE(SameValues(got[i], want[i]));
  }
  REQUIRE(first->counters().host_recoveries[0] == 0);

  auto leader = PlaneOf(second(own, 9), &other);
  const SequenceId late{30};
  const TokenValue* value = nullptr;
  first->Prefill(late, specs[0]);
  first->Activate(late);
  first->Want(late, 2);
  REQUIRE(
      waker.WaitUntil([&] { return first->Look(late, 1, &value) == ValueSource::State::kFailed; }));
  INFO(first->Failure(late));
  REQUIRE(first->Failure(late).ToString().find("epoch 0 is over, epoch 9 owns this feed-forward") !=
          std::string::npos);
  const auto got = RunAll(leader.get(), &other, specs, 1);
  for (size_t i = 0; i < specs.size(); ++i) REQUIRE(SameValues(got[i], want[i]));
  REQUIRE(leader->counters().host_recoveries[0] == 0);
}

TEST_CASE("workers of the wrong kind, model or layers are refused by name") {
  const ModelOnDisk disk(SpecOf("llama"));
  SplitCloud cloud(disk);
  TestWaker waker;
  const auto refused = [&](const PlaneOptions& options) {
    const auto plane = ComputePlane::Create(options, &waker);
    REQUIRE_FALSE(plane.ok());
    return plane.status().ToString();
  };
  const auto has = [](const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  };
  // Attention workers where shards are expected, and the other way round.
  PlaneOptions options = cloud.Options();
  options.remote.attention = false;
  REQUIRE(has(refused(options), "is an attention worker, not a shard"));
  options = cloud.Options();
  options.remote.shards[0] = cloud.ffn[0]->endpoint();
  REQUIRE(has(refused(options), "only attention workers connect to a feed-forward worker"));
  // A layer that no feed-forward worker has, or two; another kind of worker; other layers.
  const auto with_workers = [&](const std::vector<std::string>& workers) {
    cloud.cloud.shards[1] = StartAttention(disk.path(), {2, 4}, workers);
    return refused(cloud.Options());
  };
  REQUIRE(
      has(with_workers({cloud.ffn[0]->endpoint()}), "layer 3 is on 0 of the feed-forward workers"));
  REQUIRE(has(
      with_workers({cloud.ffn[1]->endpoint(), cloud.ffn[1]->endpoint(), cloud.ffn[0]->endpoint()}),
      "layer 3 is on 2 of the feed-forward workers"));
  const std::string prefill = cloud.cloud.prefill->endpoint();
  const std::string other = with_workers({prefill});
  REQUIRE(has(other, "the feed-forward worker at " + prefill));
  REQUIRE(has(other, "only a driver connects to a prefill worker"));
  const auto low = StartFeedForward(disk.path(), {0, 2});
  REQUIRE(has(with_workers({low->endpoint()}), "layer 2 is on 0 of the feed-forward workers (" +
                                                   low->endpoint() + " with layers 0 to 2"));
}

}  // namespace
}  // namespace waferline::plane
