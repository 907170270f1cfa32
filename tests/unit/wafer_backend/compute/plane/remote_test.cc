// The same plane over TCP.
#include <dirent.h>

#include <catch2/catch.hpp>
#include <numeric>

#include "tests/unit/wafer_backend/compute/plane/remote_workers.h"
#include "wafer_backend/base/retry_hint.h"
#include "wafer_backend/base/strings.h"

namespace waferline::plane {
namespace {

size_t OpenDescriptors() {
  size_t count = 0;
  DIR* dir = opendir("/proc/self/fd");
  while (readdir(dir) != nullptr) ++count;
  closedir(dir);
  return count;
}

TEST_CASE("laws 3 and 4 over TCP: the same values as in one process, and only activations") {
  const ModelOnDisk disk(ModelSpec());
  SeededStream random(8);
  std::vector<SequenceSpec> specs = RandomSpecs(&random, 10, 20);
  specs[3].sampling.prompt_logprobs = true;
  const auto want = EachAlone(OneShard(disk.file()), specs);
  for (const int64_t shards : {1, 2, 4}) {
    INFO("shards " << shards);
    Cloud cloud = StartCloud(disk.path(), 4, shards, shards == 2 ? 9 : 64);
    TestWaker waker;
    auto plane = PlaneOf(cloud.Options(disk.file()), &waker);
    REQUIRE(plane->memory().size() == static_cast<size_t>(shards));
    REQUIRE(plane->memory()[0].kv_per_page > Bytes(0));
    const auto got = RunAll(plane.get(), &waker, specs);
    for (size_t i = 0; i < specs.size(); ++i) REQUIRE(SameValues(got[i], want[i]));
    RequireEmpty(plane.get());
    const PlaneCounters counters = plane->counters();
    REQUIRE(counters.activation_bytes.size() == static_cast<size_t>(shards - 1));
    for (const link::LinkBytes& bytes : counters.activation_bytes) {
      REQUIRE(bytes.payload == counters.decode_rows * 64 * sizeof(float));
      REQUIRE(bytes.framing == counters.decode_steps * 28 + counters.decode_rows * 8);
    }
  }
}

TEST_CASE("which experts ran: each decoded token in every layer, alike in process and over TCP") {
  test::RandomModelSpec model = ModelSpec();
  model.architecture = "qwen3moe";
  model.experts = 16;
  model.experts_used = 3;
  const ModelOnDisk disk(model);
  SeededStream random(10);
  std::vector<SequenceSpec> specs = RandomSpecs(&random, 6, 20);
  std::vector<std::vector<uint64_t>> counted;
  std::vector<std::vector<std::vector<TokenValue>>> values;
  for (const bool remote : {false, true}) {
    Cloud cloud = StartCloud(disk.path(), model.layers, 2, 64);
    PlaneOptions options;
    if (remote) options = cloud.Options(disk.file());
    options.local.file = disk.file();
    options.local.page_tokens = kPage;
    options.local.shards = 4;
    TestWaker waker;
    auto plane = PlaneOf(options, &waker);
    values.push_back(RunAll(plane.get(), &waker, specs));
    RequireEmpty(plane.get());
    const PlaneCounters counters = plane->counters();
    counted.push_back(counters.expert_tokens);
    REQUIRE(counted.back().size() == 16);
    const uint64_t sum = std::accumulate(counted.back().begin(), counted.back().end(), uint64_t{0});
    REQUIRE(sum == counters.decode_rows * 3 * static_cast<uint64_t>(model.layers));
  }
  REQUIRE(counted[0] == counted[1]);
  for (size_t i = 0; i < specs.size(); ++i) REQUIRE(SameValues(values[0][i], values[1][i]));
}

TEST_CASE("prompt log-probabilities come over TCP unchanged") {
  const ModelOnDisk disk(ModelSpec());
  SeededStream random(9);
  SequenceSpec spec = RandomSpec(&random, 256, 2);
  spec.sampling.prompt_logprobs = true;
  Cloud cloud = StartCloud(disk.path(), 4, 2, 7);
  std::vector<std::vector<TokenValue>> seen;
  for (const bool remote : {false, true}) {
    PlaneOptions options;
    if (remote) options = cloud.Options(disk.file());
    options.local.file = disk.file();
    options.local.page_tokens = kPage;
    seen.push_back(PromptLogprobsOf(options, spec));
  }
  REQUIRE(seen[0].size() == spec.prompt->size() - 1);
  REQUIRE(SameValues(seen[0], seen[1]));
}

TEST_CASE("64 sequences over TCP, a third ended at random: everything comes back") {
  const ModelOnDisk disk(ModelSpec());
  const uint64_t seed = 77;
  SeededStream random(seed);
  std::vector<SequenceSpec> specs = RandomSpecs(&random, 64, 16);
  const auto want = EachAlone(OneShard(disk.file()), specs);
  Cloud cloud = StartCloud(disk.path(), 4, 2, 32);
  TestWaker waker;
  auto plane = PlaneOf(cloud.Options(disk.file()), &waker);
  const size_t descriptors = OpenDescriptors();
  for (uint64_t round = 0; round < 2; ++round) {
    INFO("seed " << seed << " round " << round);
    const uint64_t base = 1000 * (round + 1);
    std::vector<uint32_t> leaves(specs.size());
    std::vector<std::vector<TokenValue>> values(specs.size());
    std::vector<bool> gone(specs.size(), false);
    for (size_t i = 0; i < specs.size(); ++i) {
      leaves[i] = random.Next() % 3 == 0 ? static_cast<uint32_t>(random.Next() % 16) : 16;
      plane->Prefill(SequenceId{base + i}, specs[i]);
      plane->Want(SequenceId{base + i}, 16);
      if (random.Next() % 4 != 0) plane->Activate(SequenceId{base + i});
      if (leaves[i] == 0) plane->End(SequenceId{base + i});
      gone[i] = leaves[i] == 0;
    }
    REQUIRE(waker.WaitUntil([&] {
      bool all = true;
      for (size_t i = 0; i < specs.size(); ++i) {
        const TokenValue* value = nullptr;
        while (!gone[i] &&
               plane->Look(SequenceId{base + i}, static_cast<uint32_t>(values[i].size()), &value) ==
                   ValueSource::State::kReady) {
          values[i].push_back(*value);
          plane->Activate(SequenceId{base + i});
          if (values[i].size() < leaves[i]) continue;
          plane->End(SequenceId{base + i});
          gone[i] = true;
        }
        all = all && gone[i];
      }
      return all;
    }));
    for (size_t i = 0; i < specs.size(); ++i) {
      REQUIRE(values[i].size() == leaves[i]);
      for (size_t k = 0; k < values[i].size(); ++k) REQUIRE(SameValue(values[i][k], want[i][k]));
    }
    RequireEmpty(plane.get());
    REQUIRE(OpenDescriptors() == descriptors);
  }
}

// One sequence from start to end; `lose` is called once it has `lose_at` values.
std::vector<TokenValue> RunThroughLoss(ComputePlane* plane, TestWaker* waker,
                                       const SequenceSpec& spec, uint32_t lose_at,
                                       const std::function<void()>& lose) {
  const SequenceId id{1};
  std::vector<TokenValue> values;
  plane->Prefill(id, spec);
  plane->Activate(id);
  plane->Want(id, lose_at);
  REQUIRE(waker->WaitUntil([&] {
    const TokenValue* value = nullptr;
    while (values.size() < spec.max_tokens) {
      const auto state = plane->Look(id, static_cast<uint32_t>(values.size()), &value);
      INFO(plane->Failure(id));
      REQUIRE(state != ValueSource::State::kFailed);
      if (state == ValueSource::State::kPending) return false;
      values.push_back(*value);
      if (values.size() != lose_at) continue;
      lose();
      plane->Want(id, spec.max_tokens);
    }
    return true;
  }));
  plane->End(id);
  return values;
}

TEST_CASE("a worker that dies and comes back: the same tokens, and nothing else is seen") {
  const ModelOnDisk disk(ModelSpec());
  SeededStream random(10);
  SequenceSpec spec = RandomSpec(&random, 256, 24);
  const auto want = EachAlone(OneShard(disk.file()), {spec});
  Cloud cloud = StartCloud(disk.path(), 4, 2, 32);
  TestWaker waker;
  auto plane = PlaneOf(cloud.Options(disk.file()), &waker);
  const auto restart_shard = [&](size_t which) {
    const std::string endpoint = cloud.shards[which]->endpoint();
    cloud.shards[which]->Stop();
    const auto first = static_cast<int64_t>(2 * which);
    cloud.shards[which] = StartShard(disk.path(), {first, first + 2}, endpoint);
  };
  uint64_t recoveries = 1;
  SECTION("the first shard") {
    const auto got = RunThroughLoss(plane.get(), &waker, spec, 9, [&] { restart_shard(0); });
    REQUIRE(SameValues(got, want[0]));
  }
  SECTION("the last shard") {
    const auto got = RunThroughLoss(plane.get(), &waker, spec, 5, [&] { restart_shard(1); });
    REQUIRE(SameValues(got, want[0]));
  }
  SECTION("the prefill worker, which a resident sequence does not need") {
    const auto got = RunThroughLoss(plane.get(), &waker, spec, 5, [&] {
      const std::string endpoint = cloud.prefill->endpoint();
      cloud.prefill->Stop();
      cloud.prefill = StartPrefill(disk.path(), 32, endpoint);
    });
    REQUIRE(SameValues(got, want[0]));
    recoveries = 0;
  }
  REQUIRE(SameValues(RunAll(plane.get(), &waker, {spec}, 500)[0], want[0]));
  RequireEmpty(plane.get());
  REQUIRE(plane->counters().host_recoveries[0] >= recoveries);
  REQUIRE(plane->counters().host_recoveries[0] <= 3 * recoveries);
  REQUIRE(plane->counters().host_recoveries[1] == 0);
}

TEST_CASE("a worker that stays away: everything fails as Unavailable in bounded time") {
  const ModelOnDisk disk(ModelSpec());
  SeededStream random(11);
  SequenceSpec spec = RandomSpec(&random, 256, 24);
  Cloud cloud = StartCloud(disk.path(), 4, 2, 32);
  PlaneOptions options = cloud.Options(disk.file());
  options.remote.max_outage = Milliseconds(300);
  options.remote.outage_patience = Milliseconds(600);
  std::vector<std::string> remarks;  // the driver's until the plane is gone
  options.remote.on_remark = [&](const std::string& remark) { remarks.push_back(remark); };
  TestWaker waker;
  auto plane = PlaneOf(options, &waker);
  RunAll(plane.get(), &waker, {spec}, 1);
  cloud.shards[1]->Stop();
  for (uint64_t id = 100; id < 103; ++id) {
    plane->Prefill(SequenceId{id}, spec);
    plane->Activate(SequenceId{id});
    plane->Want(SequenceId{id}, 24);
    const TokenValue* value = nullptr;
    REQUIRE(waker.WaitUntil(
        [&] { return plane->Look(SequenceId{id}, 1, &value) == ValueSource::State::kFailed; }));
    const absl::Status failure = plane->Failure(SequenceId{id});
    REQUIRE(absl::IsUnavailable(failure));
    plane->End(SequenceId{id});
    INFO(failure);
    REQUIRE(RetryAfterOf(failure));
    REQUIRE(Std(failure.message())
                .find("shard 2 of 2: cannot connect to " + cloud.shards[1]->endpoint()) !=
            std::string_view::npos);
    REQUIRE_FALSE(plane->counters().outage.empty());
  }
  plane.reset();
  REQUIRE(remarks.size() == 1);  // not one an attempt
}

TEST_CASE("workers that do not fit are refused with the reason") {
  const ModelOnDisk disk(ModelSpec());
  TestWaker waker;
  Cloud cloud = StartCloud(disk.path(), 4, 2, 32);
  const auto refused = [&](const PlaneOptions& options, const std::string& part) {
    const auto plane = ComputePlane::Create(options, &waker);
    REQUIRE_FALSE(plane.ok());
    INFO(plane.status());
    REQUIRE(plane.status().ToString().find(part) != std::string::npos);
  };
  PlaneOptions swapped = cloud.Options(disk.file());
  std::swap(swapped.remote.shards[0], swapped.remote.shards[1]);
  refused(swapped, "layer 0 should come next");
  PlaneOptions half = cloud.Options(disk.file());
  half.remote.shards.pop_back();
  refused(half, "end before layer");
  PlaneOptions other = cloud.Options(disk.file());
  other.remote.fingerprint += 1;
  refused(other, "different model file");
  PlaneOptions nonsense = cloud.Options(disk.file());
  nonsense.remote.prefill = {"nonsense"};
  refused(nonsense, "host:port");
}

}  // namespace
}  // namespace waferline::plane
