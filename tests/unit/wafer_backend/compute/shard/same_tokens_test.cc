// Law 4 where it is made: a row's logits are the same bits whatever shares its step and however
// layers and prompts are cut.
#include <stdlib.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/support/checkpoint_writer.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/wafer_backend/compute/shard/shard_chain.h"

namespace waferline::shard {
namespace {

using kernels::DType;

test::RandomModelSpec SpecOf(DType dtype, uint64_t seed) {
  test::RandomModelSpec spec;
  spec.dtype = dtype;
  spec.layers = 4;
  spec.seed = seed;
  spec.window = 11;
  const std::vector<std::string> families = test::ModelFamilies();
  spec.architecture = families[seed % families.size()];
  return spec;
}

TEST_CASE("any cut into shards, any chunks, any company: the same bits") {
  const DType dtype = GENERATE(DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0);
  const uint64_t seed = 500 + static_cast<uint64_t>(dtype);
  const test::RandomModelSpec spec = SpecOf(dtype, seed);
  SeededStream random(seed);
  const auto tokens = RandomTokens(&random, 50, 256);
  const auto want = Alone(spec, tokens);
  const auto file = OpenRandom(spec);
  for (const int64_t shards : {1, 2, 4}) {
    for (int run = 0; run < 4; ++run) {
      INFO("dtype " << kernels::Name(dtype) << " seed " << seed << " shards " << shards << " run "
                    << run);
      kernels::ThreadPool pool(1 + run % 3);
      ShardChain chain(file, shards, &pool);
      // Strangers, each with a prompt of its own, move in the same steps.
      const uint32_t strangers = static_cast<uint32_t>(random.Next() % 9);
      const uint32_t slot = static_cast<uint32_t>(random.Next() % (strangers + 1));
      std::vector<std::vector<TokenId>> texts(strangers + 1);
      std::vector<uint32_t> done(strangers + 1, 0);
      for (uint32_t i = 0; i <= strangers; ++i) {
        texts[i] = i == slot ? tokens : RandomTokens(&random, 50, 256);
        chain.Open(i, 50);
      }
      while (done[slot] < tokens.size()) {
        std::vector<link::Row> rows;
        std::vector<TokenId> step;
        std::vector<size_t> mine;
        uint32_t first = done[slot];
        for (uint32_t i = 0; i <= strangers; ++i) {
          const uint32_t left = 50 - done[i];
          const uint32_t take = i == slot
                                    ? 1 + static_cast<uint32_t>(random.Next() % std::min(left, 20u))
                                    : std::min(left, static_cast<uint32_t>(random.Next() % 8));
          for (uint32_t k = 0; k < take; ++k) {
            if (i == slot) mine.push_back(rows.size());
            rows.push_back({i, done[i]});
            step.push_back(texts[i][done[i]++]);
          }
        }
        const auto got = chain.Step(rows, step);
        for (const size_t row : mine) REQUIRE(SameBits(got[row], want[first++]));
      }
    }
  }
}

// Every family once, each with a type of its own.
TEST_CASE("every family: the same bits on any shards, in one prompt and with others") {
  const std::vector<std::string> families = test::ModelFamilies();
  constexpr DType kTypes[] = {DType::kF32, DType::kQ8_0, DType::kBF16, DType::kQ4_0};
  for (size_t f = 0; f < families.size(); ++f) {
    test::RandomModelSpec spec;
    spec.architecture = families[f];
    spec.dtype = kTypes[f % 4];
    spec.layers = 4;
    spec.window = 7;
    spec.seed = 900 + f;
    SeededStream random(spec.seed);
    const auto tokens = RandomTokens(&random, 40, 256);
    const auto want = Alone(spec, tokens);
    const auto file = OpenRandom(spec);
    for (const int64_t shards : {1, 2, 4}) {
      INFO(spec.architecture << " " << kernels::Name(spec.dtype) << " shards " << shards);
      kernels::ThreadPool pool(2);
      ShardChain chain(file, shards, &pool);
      for (uint32_t slot : {0u, 1u, 2u}) chain.Open(slot, 40);
      // The first slot's prompt at once; the third's in parts, next to a stranger's.
      const auto whole = chain.Chunk(0, 0, tokens);
      for (size_t i = 0; i < tokens.size(); ++i) REQUIRE(SameBits(whole[i], want[i]));
      for (uint32_t first = 0; first < 40; first += 8) {
        std::vector<link::Row> rows;
        std::vector<TokenId> step;
        for (uint32_t i = first; i < first + 8; ++i) {
          rows.push_back({1, i});
          step.push_back(static_cast<TokenId>(random.Next() % 256));
          rows.push_back({2, i});
          step.push_back(tokens[i]);
        }
        const auto got = chain.Step(rows, step);
        for (uint32_t i = 0; i < 8; ++i) REQUIRE(SameBits(got[2 * i + 1], want[first + i]));
      }
    }
  }
}

// What the last of `tokens` leaves the layers as, when the first `kv_only` leave the last one
// early.
std::vector<float> LastHidden(const std::shared_ptr<const PackedModel>& model,
                              const std::vector<TokenId>& tokens, int64_t kv_only) {
  kernels::ThreadPool pool(2);
  LayerStack stack(model, {.range = model->range(), .page_tokens = 16, .max_rows = 64}, &pool);
  KvPool pages(stack.kv());
  SequencePages sequence(&pages);
  const auto count = static_cast<int64_t>(tokens.size());
  sequence.Hold(0, count);
  const int64_t width = model->shape().hidden;
  std::vector<float> hidden(static_cast<size_t>(count * width));
  for (int64_t i = 0; i < count; ++i) model->Embed(tokens[i], hidden.data() + i * width);
  const Run run = {&sequence, 0, count, kv_only};
  stack.Forward(std::span(&run, 1), hidden.data());
  const auto last = hidden.begin() + (count - kv_only - 1) * width;
  return {last, last + width};
}

TEST_CASE("every family: rows that matter to later positions alone change no bit of others") {
  for (const std::string& family : test::ModelFamilies()) {
    for (const bool parallel : {false, true}) {
      if (parallel && family != "stablelm") continue;
      test::RandomModelSpec spec;
      spec.architecture = family;
      spec.layers = 3;
      spec.window = 7;
      spec.parallel_branches = parallel;
      kernels::ThreadPool pool(2);
      const auto model = PackedModel::Load(OpenRandom(spec), {0, 3}, &pool);
      INFO(family << " " << model.status());
      REQUIRE(model.ok());
      SeededStream random(40);
      const auto tokens = RandomTokens(&random, 21, 256);
      const auto want = LastHidden(*model, tokens, 0);
      for (const int64_t kv_only : {1, 13, 20}) {
        REQUIRE(SameBits(LastHidden(*model, tokens, kv_only), want));
      }
    }
  }
}

TEST_CASE("pages that were someone else's leave no trace") {
  const test::RandomModelSpec spec = SpecOf(DType::kF32, 3);
  SeededStream random(3);
  const auto tokens = RandomTokens(&random, 20, 256);
  const auto want = Alone(spec, tokens);
  kernels::ThreadPool pool(1);
  ShardChain chain(OpenRandom(spec), 2, &pool);
  for (int round = 0; round < 3; ++round) {
    // Halves of all ones are NaN: what a stranger left in pages must not be read.
    chain.Open(7, 64);
    for (auto& shard : chain.shards()) {
      for (uint32_t page = 0; page < 4; ++page) {
        link::KvFrame poison;
        poison.slot = 7;
        poison.job = 7;
        poison.first_layer = static_cast<uint32_t>(shard->options().range.first);
        poison.layer_count = static_cast<uint32_t>(shard->options().range.count());
        poison.first_position = page * 16;
        poison.positions = 16;
        poison.data.assign(static_cast<size_t>(shard->kv().layout().page_bytes().count()), 0xff);
        REQUIRE(shard->Receive(poison).ok());
      }
    }
    chain.Close(7);
    chain.Open(2, 20);
    const auto got = chain.Chunk(2, 0, tokens);
    for (size_t i = 0; i < tokens.size(); ++i) REQUIRE(SameBits(got[i], want[i]));
    chain.Close(2);
  }
}

TEST_CASE(
    "experts in tensors of their own, as older files have them: the bits of the stacked ones") {
  test::RandomModelSpec spec = SpecOf(DType::kQ8_0, 9);
  spec.architecture = "llama";
  spec.experts = 5;
  SeededStream random(9);
  const auto tokens = RandomTokens(&random, 20, 256);
  const auto want = Alone(spec, tokens);
  spec.separate_experts = true;
  const auto got = Alone(spec, tokens);
  for (size_t i = 0; i < tokens.size(); ++i) REQUIRE(SameBits(got[i], want[i]));
  test::GgufWriter writer = test::RandomModel(spec);
  writer.EraseTensor("blk.1.ffn_up.3.weight");
  const auto file = model::GgufFile::FromBytes(writer.Bytes(), "one missing");
  REQUIRE(file.ok());
  const auto weights = model::BindWeights(*file);
  REQUIRE(absl::IsInvalidArgument(weights.status()));
  REQUIRE(weights.status().message().find("blk.1.ffn_up.3.weight") != absl::string_view::npos);
}

TEST_CASE("a folder of safetensors computes the bits of the GGUF file of the same model") {
  test::RandomModelSpec spec = SpecOf(GENERATE(DType::kBF16, DType::kF16), 7);
  spec.architecture = GENERATE("llama", "qwen2", "qwen3", "gemma3");
  spec.layers = 7;                                     // of Gemma's the sixth sees everything
  if (spec.architecture != "gemma3") spec.window = 0;  // config.json of the others has none
  spec.vocabulary = test::VocabularyKind::kBytePairs;
  CAPTURE(spec.architecture);
  const test::TemporaryFolder folder;
  const auto gguf = OpenRandom(spec);
  test::CheckpointWriter(*gguf).Write(folder.path(), 2);
  const auto read = model::GgufFile::Open(folder.path());
  INFO(read.status());
  REQUIRE(read.ok());
  kernels::ThreadPool pool(2);
  SeededStream random(3);
  const auto tokens = RandomTokens(&random, 20, model::ReadShape(*gguf)->vocabulary);
  const auto logits_of = [&](std::shared_ptr<const model::GgufFile> file) {
    ShardChain chain(std::move(file), 2, &pool);
    chain.Open(0, 20);
    return chain.Chunk(0, 0, tokens);
  };
  const auto ours = logits_of(*read);
  const auto theirs = logits_of(gguf);
  for (size_t i = 0; i < tokens.size(); ++i) CHECK(SameBits(ours[i], theirs[i]));
}

}  // namespace
}  // namespace waferline::shard
