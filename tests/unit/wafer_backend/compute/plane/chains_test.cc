// Several chains of remote shards for one model: sequences are spread over them, and those of a
// lost chain go on on another one, with the same values.
#include <array>
#include <catch2/catch.hpp>
#include <memory>

#include "tests/unit/wafer_backend/compute/plane/remote_workers.h"
#include "wafer_backend/compute/plane/chained_source.h"

namespace waferline::plane {
namespace {

constexpr uint32_t kTokens = 24;

// Two chains, cut in two and in four.
struct TwoChains {
  explicit TwoChains(const ModelOnDisk& disk)
      : clouds{StartCloud(disk.path(), 4, 2, 32), StartCloud(disk.path(), 4, 4, 32)} {
    for (const Cloud& cloud : clouds) {
      options.push_back(cloud.Options(disk.file()));
      options.back().remote.liveness.patience = Milliseconds(1000);
    }
  }
  std::unique_ptr<ChainedSource> Open(TestWaker* waker) const {
    auto source = ChainedSource::Create(options, waker);
    INFO(source.status());
    REQUIRE(source.ok());
    return *std::move(source);
  }
  std::array<Cloud, 2> clouds;
  std::vector<PlaneOptions> options;
};

std::vector<SequenceSpec> Specs(uint64_t seed, int count) {
  SeededStream random(seed);
  return RandomSpecs(&random, count, kTokens);
}

// Sequences 0, 1, ... that are given their tokens step by step.
class Readers {
 public:
  Readers(ValueSource* source, TestWaker* waker, const std::vector<SequenceSpec>& specs)
      : source_(source), waker_(waker), values_(specs.size()) {
    for (size_t i = 0; i < specs.size(); ++i) {
      source_->Prefill(SequenceId{i}, specs[i]);
      source_->Activate(SequenceId{i});
    }
  }
  ~Readers() {
    for (size_t i = 0; i < values_.size(); ++i) source_->End(SequenceId{i});
  }
  // Until each has `count` values.
  void ReadTo(uint32_t count) {
    for (size_t i = 0; i < values_.size(); ++i) source_->Want(SequenceId{i}, count);
    REQUIRE(waker_->WaitUntil([&] {
      bool all = true;
      for (size_t i = 0; i < values_.size(); ++i) all = ReadOne(i, count) && all;
      return all;
    }));
  }
  const std::vector<std::vector<TokenValue>>& values() const { return values_; }

 private:
  bool ReadOne(size_t i, uint32_t count) {
    while (values_[i].size() < count) {
      const TokenValue* value = nullptr;
      const auto state =
          source_->Look(SequenceId{i}, static_cast<uint32_t>(values_[i].size()), &value);
      REQUIRE(state != ValueSource::State::kFailed);
      if (state == ValueSource::State::kPending) return false;
      values_[i].push_back(*value);
    }
    return true;
  }

  ValueSource* const source_;
  TestWaker* const waker_;
  std::vector<std::vector<TokenValue>> values_;
};

std::vector<std::vector<TokenValue>> Alone(const ModelOnDisk& disk,
                                           const std::vector<SequenceSpec>& specs) {
  TestWaker waker;
  const Cloud cloud = StartCloud(disk.path(), 4, 1, 32);
  return RunAll(PlaneOf(cloud.Options(disk.file()), &waker).get(), &waker, specs);
}

void RequireSame(const std::vector<std::vector<TokenValue>>& got,
                 const std::vector<std::vector<TokenValue>>& want) {
  for (size_t i = 0; i < want.size(); ++i) REQUIRE(SameValues(got[i], want[i]));
}

TEST_CASE("sequences are spread over the chains, with the same values as on one") {
  const ModelOnDisk disk(ModelSpec());
  const std::vector<SequenceSpec> specs = Specs(70, 6);
  const auto want = Alone(disk, specs);
  TestWaker waker;
  const TwoChains two(disk);
  const auto source = two.Open(&waker);
  REQUIRE(source->memory().size() == 6);
  RequireSame(RunAll(source.get(), &waker, specs), want);
  RequireEmpty(source.get());
  const PlaneCounters counters = source->counters();
  REQUIRE(counters.activation_bytes.size() == 1 + 3);  // hops of each
  for (const auto& hop : counters.activation_bytes) REQUIRE(hop.payload > 0);
  REQUIRE(counters.chains.size() == 2);
  for (const ChainFigures& chain : counters.chains) {
    REQUIRE(chain.state == ChainState::kUp);
    REQUIRE(chain.generation > 0);
    REQUIRE(chain.silence < Seconds(30));
  }
  REQUIRE(counters.moved_sequences == 0);
}

TEST_CASE("sequences of a lost chain go on on another one, and back again") {
  const ModelOnDisk disk(ModelSpec());
  std::vector<SequenceSpec> specs = Specs(71, 6);
  for (SequenceSpec& spec : specs) spec.sampling.prompt_logprobs = true;
  const auto want = Alone(disk, specs);
  TestWaker waker;
  TwoChains two(disk);
  const auto source = two.Open(&waker);
  {
    Readers readers(source.get(), &waker, specs);
    readers.ReadTo(8);
    const std::vector<TokenValue> prompt = *source->PromptLogprobs(SequenceId{0});
    REQUIRE(prompt.size() + 1 == specs[0].prompt->size());
    const std::string endpoint = two.clouds[0].shards[1]->endpoint();
    two.clouds[0].shards[1]->Stop();
    readers.ReadTo(16);  // three of the sequences were there
    REQUIRE(source->counters().moved_sequences == 3);
    REQUIRE(source->counters().outage.empty());
    REQUIRE_FALSE(source->counters().chains[0].outage.empty());
    REQUIRE(SameValues(*source->PromptLogprobs(SequenceId{0}), prompt));

    two.clouds[0].shards[1] = StartShard(disk.path(), {2, 4}, endpoint);
    REQUIRE(waker.WaitUntil([&] { return source->counters().chains[0].outage.empty(); }));
    two.clouds[1].shards[0]->Stop();
    readers.ReadTo(kTokens);
    REQUIRE(source->counters().moved_sequences == 3 + 6);
    RequireSame(readers.values(), want);
  }
  RequireEmpty(source.get());
}

TEST_CASE("a chain that joins later takes new sequences, and those of a lost one") {
  const ModelOnDisk disk(ModelSpec());
  const std::vector<SequenceSpec> specs = Specs(73, 6);
  const auto want = Alone(disk, specs);
  TestWaker waker;
  TwoChains two(disk);
  auto opened = ChainedSource::Create({two.options[0]}, &waker);
  REQUIRE(opened.ok());
  const auto source = *std::move(opened);
  {
    Readers readers(source.get(), &waker, specs);
    readers.ReadTo(8);
    REQUIRE(source->counters().chains.size() == 1);
    PlaneOptions nowhere = two.options[1];
    nowhere.remote.shards = {"127.0.0.1:1"};
    REQUIRE_FALSE(source->Join(nowhere).ok());
    REQUIRE(source->Join(two.options[1]).ok());
    REQUIRE(source->counters().chains.size() == 2);
    two.clouds[0].shards[1]->Stop();
    readers.ReadTo(kTokens);
    REQUIRE(source->counters().moved_sequences == 6);
    RequireSame(readers.values(), want);
  }
  RequireSame(RunAll(source.get(), &waker, specs), want);
}

TEST_CASE("a new sequence goes to a chain that is up; with none it waits for one") {
  const ModelOnDisk disk(ModelSpec());
  const std::vector<SequenceSpec> specs = Specs(72, 2);
  const auto want = Alone(disk, specs);
  TestWaker waker;
  TwoChains two(disk);
  const auto source = two.Open(&waker);
  const std::string endpoint = two.clouds[1].shards[0]->endpoint();
  for (Cloud& cloud : two.clouds) cloud.shards[0]->Stop();
  REQUIRE(waker.WaitUntil([&] { return !source->counters().outage.empty(); }));
  Readers readers(source.get(), &waker, specs);
  two.clouds[1].shards[0] = StartShard(disk.path(), {0, 1}, endpoint);
  readers.ReadTo(kTokens);
  RequireSame(readers.values(), want);
  REQUIRE(source->counters().moved_sequences >= 1);
}

}  // namespace
}  // namespace waferline::plane
