// Attention and feed-forward parts on different workers: the same bits (law 4), as many bytes
// between them as their rows have (law 3), and each tensor in one worker's SRAM (law 2).
#include <algorithm>
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/wafer_backend/compute/shard/shard_chain.h"
#include "wafer_backend/compute/shard/feed_forward_worker.h"
#include "wafer_backend/compute/shard/local_layer_workers.h"

namespace waferline::shard {
namespace {

struct Split {
  int64_t attention = 1;
  int64_t ffn = 1;
  int64_t micro_batches = 1;
};

std::shared_ptr<const PackedModel> LoadPart(std::shared_ptr<const model::GgufFile> file,
                                            const ModelPart& part, kernels::ThreadPool* pool) {
  auto packed = PackedModel::LoadPart(std::move(file), part, pool);
  INFO(packed.status());
  REQUIRE(packed.ok());
  return *packed;
}

// Each worker has loaded its own part of the file alone. Feed-forward workers have threads.
class SplitChain {
 public:
  SplitChain(const std::shared_ptr<const model::GgufFile>& file, Split split,
             kernels::ThreadPool* pool)
      : layers_(model::ReadShape(*file)->layers) {
    for (const LayerRange& range : CutEvenly(layers_, split.ffn)) {
      pools_.push_back(std::make_unique<kernels::ThreadPool>(1));
      kernels::ThreadPool* const own = pools_.back().get();
      auto worker = FeedForwardWorker::Create(
          LoadPart(file, {.layers = range, .side = LayerSide::kFeedForward}, own),
          {.layers = range}, own);
      REQUIRE(worker.ok());
      weights += (*worker)->weights();
      threads_.push_back(std::make_unique<WorkerThread>(*std::move(worker)));
    }
    for (const LayerRange& range : CutEvenly(layers_, split.attention)) {
      auto shard =
          Shard::Create(LoadPart(file, {.layers = range, .side = LayerSide::kAttention}, pool),
                        {.range = range,
                         .page_tokens = 16,
                         .slots = 32,
                         .feed_forward_elsewhere = true,
                         .micro_batches = split.micro_batches},
                        pool);
      INFO(shard.status());
      REQUIRE(shard.ok());
      weights += (*shard)->memory().weights;
      std::vector<WorkerThread*> all;
      for (const auto& thread : threads_) all.push_back(thread.get());
      links.push_back(std::make_unique<LocalLayerWorkers>(all));
      (*shard)->SetWorkers(links.back().get());
      shards.push_back(*std::move(shard));
    }
  }

  std::vector<std::vector<float>> Step(const std::vector<link::Row>& rows,
                                       const std::vector<TokenId>& tokens) {
    link::ActivationFrame activations;
    REQUIRE(shards[0]->Step({1, rows, tokens}, &activations).ok());
    for (size_t i = 1; i < shards.size(); ++i) REQUIRE(shards[i]->Step(&activations).ok());
    link::LogitsFrame logits;
    REQUIRE(shards.back()->Head(activations, &logits).ok());
    std::vector<std::vector<float>> result;
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto start = logits.logits.begin() + static_cast<ptrdiff_t>(i * logits.vocabulary);
      result.emplace_back(start, start + logits.vocabulary);
    }
    return result;
  }

  Bytes weights;  // of all workers
  std::vector<std::unique_ptr<LocalLayerWorkers>> links;
  std::vector<std::unique_ptr<Shard>> shards;

 private:
  const int64_t layers_;
  std::vector<std::unique_ptr<kernels::ThreadPool>> pools_;
  std::vector<std::unique_ptr<WorkerThread>> threads_;  // last: they use the links
};

test::RandomModelSpec SpecOf(const std::string& family, uint64_t seed) {
  constexpr kernels::DType kTypes[] = {kernels::DType::kF32, kernels::DType::kQ8_0,
                                       kernels::DType::kBF16, kernels::DType::kQ4_0};
  test::RandomModelSpec spec;
  spec.architecture = family;
  spec.dtype = kTypes[seed % 4];
  spec.layers = 4;
  spec.window = 7;
  spec.seed = seed;
  return spec;
}

// Chunks of two slots with the same text and a third with another, in random steps.
void RequireSameBits(SplitChain* chain, const std::vector<TokenId>& tokens,
                     const std::vector<std::vector<float>>& want, SeededStream* random) {
  const auto length = static_cast<uint32_t>(tokens.size());
  for (auto& shard : chain->shards) {
    for (uint32_t slot = 0; slot < 3; ++slot) REQUIRE(shard->Open(slot, length, slot).ok());
  }
  uint32_t done[3] = {};
  while (std::min(done[0], done[1]) < length) {
    std::vector<link::Row> rows;
    std::vector<TokenId> step;
    for (uint32_t slot = 0; slot < 3; ++slot) {
      const auto take = std::min(length - done[slot], static_cast<uint32_t>(random->Next() % 9));
      for (uint32_t i = 0; i < take; ++i) {
        const uint32_t at = done[slot]++;
        rows.push_back({slot, at});
        step.push_back(slot < 2 ? tokens[at] : static_cast<TokenId>(random->Next() % 256));
      }
    }
    if (rows.empty()) continue;
    const auto got = chain->Step(rows, step);
    for (size_t i = 0; i < rows.size(); ++i) {
      if (rows[i].slot < 2) REQUIRE(SameBits(got[i], want[rows[i].position]));
    }
  }
}

TEST_CASE("law 4: every family, any numbers of workers and micro-batches, the bits of one shard") {
  const std::vector<std::string> families = test::ModelFamilies();
  for (size_t f = 0; f < families.size(); ++f) {
    const test::RandomModelSpec spec = SpecOf(families[f], 1300 + f);
    SeededStream random(spec.seed);
    const auto tokens = RandomTokens(&random, 30, 256);
    const auto want = Alone(spec, tokens);
    const auto file = OpenRandom(spec);
    for (int run = 0; run < 4; ++run) {
      const Split split = {1 + static_cast<int64_t>(random.Next() % 4),
                           1 + static_cast<int64_t>(random.Next() % 4),
                           1 + static_cast<int64_t>(random.Next() % 6)};
      INFO(spec.architecture << " seed " << spec.seed << ": " << split.attention << " to "
                             << split.ffn << " workers, " << split.micro_batches
                             << " micro-batches");
      kernels::ThreadPool pool(1 + run % 2);
      SplitChain chain(file, split, &pool);
      RequireSameBits(&chain, tokens, want, &random);
    }
  }
}

TEST_CASE("parallel branches and experts behind dense layers, split: the bits of one shard") {
  test::RandomModelSpec parallel = SpecOf("stablelm", 1400);
  parallel.parallel_branches = true;
  test::RandomModelSpec dense_first = SpecOf("deepseek2", 1401);
  dense_first.dense_layers = 2;
  for (const test::RandomModelSpec& spec : {parallel, dense_first}) {
    SeededStream random(spec.seed);
    const auto tokens = RandomTokens(&random, 24, 256);
    kernels::ThreadPool pool(1);
    SplitChain chain(OpenRandom(spec), {2, 3, 3}, &pool);
    INFO(spec.architecture);
    RequireSameBits(&chain, tokens, Alone(spec, tokens), &random);
  }
}

TEST_CASE(
    "law 3: rows x layers x hidden x 4 bytes each way, in one frame a micro-batch and layer") {
  constexpr int64_t kLayers = 4, kHidden = 64;
  const auto file = OpenRandom(SpecOf("llama", 1500));
  for (const Split split : {Split{1, 1, 1}, Split{2, 1, 3}, Split{2, 3, 8}, Split{4, 4, 2}}) {
    kernels::ThreadPool pool(1);
    SplitChain chain(file, split, &pool);
    for (auto& shard : chain.shards) {
      for (uint32_t slot = 0; slot < 5; ++slot) REQUIRE(shard->Open(slot, 30, slot).ok());
    }
    uint64_t rows = 0, frames = 0;
    for (const uint32_t count : {5u, 1u, 3u}) {
      std::vector<link::Row> step;
      for (uint32_t slot = 0; slot < count; ++slot) step.push_back({slot, 0});
      chain.Step(step, std::vector<TokenId>(count, 7));
      rows += count;
      frames += std::min<uint64_t>(count, static_cast<uint64_t>(split.micro_batches)) * kLayers;
    }
    link::LinkBytes sent, received;
    for (const auto& links : chain.links) {
      sent += links->sent();
      received += links->received();
    }
    REQUIRE(sent.payload == rows * kLayers * kHidden * sizeof(float));
    REQUIRE(received.payload == sent.payload);
    REQUIRE(sent.frames == frames);
    REQUIRE(received.frames == frames);
    // Header, exchange, layer, width, two counts, and the one count of rows.
    REQUIRE(sent.framing == frames * (8 + 8 + 4 + 4 + 4 + 4 + 4));
  }
}

TEST_CASE("law 2: every family's weights are on one side or the other, and nothing on both") {
  for (const std::string& family : test::ModelFamilies()) {
    const auto file = OpenRandom(SpecOf(family, 1600));
    kernels::ThreadPool pool(1);
    ShardChain whole(file, 1, &pool);
    SplitChain split(file, {2, 3, 1}, &pool);
    INFO(family);
    REQUIRE(split.weights == whole.shards()[0]->memory().weights);
  }
}

TEST_CASE("law 2: what does not fit into a side's SRAM is refused with the worker's name") {
  const auto file = OpenRandom(SpecOf("llama", 1700));
  kernels::ThreadPool pool(1);
  const auto both = LoadPart(file, {.layers = {0, 4}}, &pool);
  const auto worker = FeedForwardWorker::Create(both, {.layers = {0, 4}}, &pool);
  REQUIRE(worker.ok());
  const auto create = [&](Bytes sram) {
    return FeedForwardWorker::Create(both, {.layers = {0, 4}, .sram = sram}, &pool).status();
  };
  const Bytes needed = (*worker)->weights() + (*worker)->buffers();
  REQUIRE(create(needed).ok());
  const absl::Status refused = create(needed - Bytes(1));
  REQUIRE(absl::IsResourceExhausted(refused));
  REQUIRE(refused.ToString().find("the feed-forward worker of layers 0 to 3") != std::string::npos);
  // Attention alone needs less than the same layers with feed-forward parts.
  ShardOptions options{.range = {0, 4}, .page_tokens = 16};
  const ShardMemory whole = (*Shard::Create(both, options, &pool))->memory();
  options.feed_forward_elsewhere = true;
  const ShardMemory attention = (*Shard::Create(both, options, &pool))->memory();
  REQUIRE(attention.weights == whole.weights - (*worker)->weights());
  REQUIRE(attention.buffers < whole.buffers);
}

TEST_CASE("a worker takes only rows for its layers, a shard only what it can use") {
  const auto file = OpenRandom(SpecOf("llama", 1800));
  kernels::ThreadPool pool(1);
  const auto part = LoadPart(file, {.layers = {1, 3}, .side = LayerSide::kFeedForward}, &pool);
  const auto worker = FeedForwardWorker::Create(part, {.layers = {1, 3}, .max_rows = 2}, &pool);
  REQUIRE(worker.ok());
  const auto refused = [&](link::LayerRowsFrame frame) {
    size_t rows = 0;
    for (const uint32_t count : frame.counts) rows += count;
    frame.hidden.resize(rows * frame.width);
    return !(*worker)->Compute(&frame).ok();
  };
  REQUIRE_FALSE(refused({.layer = 1, .width = 64, .counts = {1}}));
  REQUIRE_FALSE(refused({.layer = 2, .width = 64, .counts = {2}}));
  REQUIRE(refused({.layer = 0, .width = 64, .counts = {1}}));
  REQUIRE(refused({.layer = 3, .width = 64, .counts = {1}}));
  REQUIRE(refused({.layer = 1, .width = 32, .counts = {1}}));
  REQUIRE(refused({.layer = 1, .width = 64, .counts = {3}}));
  REQUIRE(refused({.layer = 1, .width = 64, .counts = {0}}));
  REQUIRE(refused({.layer = 1, .width = 64, .counts = {1, 1}}));
  for (const LayerRange wrong : {LayerRange{0, 2}, {2, 4}, {2, 2}}) {
    REQUIRE(absl::IsInvalidArgument(
        FeedForwardWorker::Create(part, {.layers = wrong}, &pool).status()));
  }
  // A shard that would need the feed-forward parts, or the attention, of what was loaded.
  const auto attention = LoadPart(file, {.layers = {0, 4}, .side = LayerSide::kAttention}, &pool);
  REQUIRE(absl::IsInvalidArgument(Shard::Create(attention, {.range = {0, 4}}, &pool).status()));
  REQUIRE(absl::IsInvalidArgument(
      Shard::Create(part, {.range = {1, 3}, .feed_forward_elsewhere = true}, &pool).status()));
  REQUIRE(absl::IsInvalidArgument(
      FeedForwardWorker::Create(attention, {.layers = {0, 4}}, &pool).status()));
  const auto with = [&](bool elsewhere, int64_t micro_batches) {
    return Shard::Create(LoadPart(file, {.layers = {0, 4}}, &pool),
                         {.range = {0, 4},
                          .feed_forward_elsewhere = elsewhere,
                          .micro_batches = micro_batches},
                         &pool)
        .status();
  };
  REQUIRE(with(true, 64).ok());
  REQUIRE(with(true, 65).ToString().find("65 is out of range [1, 64]") != std::string::npos);
  REQUIRE(absl::IsInvalidArgument(with(true, 0)));
  REQUIRE(absl::IsInvalidArgument(with(false, 2)));
  auto shard = Shard::Create(attention, {.range = {0, 4}, .feed_forward_elsewhere = true}, &pool);
  REQUIRE((*shard)->Open(0, 4, 1).ok());
  link::ActivationFrame out;
  REQUIRE(absl::IsUnavailable((*shard)->Step({1, {{0, 0}}, {5}}, &out)));
}

}  // namespace
}  // namespace waferline::shard
