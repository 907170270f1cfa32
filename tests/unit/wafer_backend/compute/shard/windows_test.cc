// Layers that see a window, or a chunk, hold KV for that alone, however long the sequence is.
#include <catch2/catch.hpp>
#include <cstring>

#include "tests/unit/wafer_backend/compute/shard/shard_chain.h"

namespace waferline::shard {
namespace {

constexpr int64_t kPositions = 700, kPage = 16, kRows = 24, kWindow = 20;

std::shared_ptr<const PackedModel> ModelOf(const std::string& family, kernels::ThreadPool* pool) {
  test::RandomModelSpec spec;
  spec.architecture = family;
  spec.layers = 6;
  spec.context = 1024;
  spec.window = kWindow;
  test::GgufWriter writer = test::RandomModel(spec);
  // Of these, the length of a chunk.
  if (family == "llama4") writer.SetUint("llama4.attention.sliding_window", kWindow);
  const auto file = model::GgufFile::FromBytes(writer.Bytes(), family);
  REQUIRE(file.ok());
  const auto packed = PackedModel::Load(*file, {0, 6}, pool);
  INFO(packed.status());
  REQUIRE(packed.ok());
  return *packed;
}

// Logits after every position, with all pages of all layers held to the end.
std::vector<std::vector<float>> WithAllPages(const std::shared_ptr<const PackedModel>& model,
                                             const std::vector<TokenId>& tokens) {
  kernels::ThreadPool pool(2);
  const auto count = static_cast<int64_t>(tokens.size());
  LayerStack stack(model, {.range = model->range(), .page_tokens = kPage, .max_rows = count},
                   &pool);
  KvPool pages(stack.kv());
  SequencePages sequence(&pages);
  sequence.Hold(0, count);
  const int64_t width = model->shape().hidden, vocabulary = model->shape().vocabulary;
  std::vector<float> hidden(static_cast<size_t>(count * width));
  for (int64_t i = 0; i < count; ++i) model->Embed(tokens[i], hidden.data() + i * width);
  const Run run = {&sequence, 0, count};
  stack.Forward({&run, 1}, hidden.data());
  std::vector<std::vector<float>> logits;
  for (int64_t i = 0; i < count; ++i) {
    stack.Logits(hidden.data() + i * width, 1,
                 logits.emplace_back(static_cast<size_t>(vocabulary)).data());
  }
  return logits;
}

// Layers of the family's six whose pages are bounded by the window.
int64_t BoundedLayers(const model::ModelShape& shape) {
  int64_t count = 0;
  for (const model::LayerPlan& plan : shape.plan) count += plan.window > 0 || plan.chunk > 0;
  return count;
}

TEST_CASE("KV of windowed layers is bounded by window and step, and no logit differs for it") {
  const auto [family, bounded] = GENERATE(table<std::string, int64_t>(
      {{"gemma2", 3}, {"gemma3", 5}, {"gpt-oss", 3}, {"mistral", 6}, {"llama4", 5}, {"llama", 6}}));
  CAPTURE(family);
  kernels::ThreadPool pool(2);
  const auto model = ModelOf(family, &pool);
  REQUIRE(BoundedLayers(model->shape()) == bounded);
  SeededStream random(77);
  const auto tokens = RandomTokens(&random, kPositions, 256);
  const auto want = WithAllPages(model, tokens);
  auto made =
      Shard::Create(model, {.range = {0, 6}, .page_tokens = kPage, .max_rows = kRows}, &pool);
  REQUIRE(made.ok());
  Shard& shard = **made;
  REQUIRE(shard.Open(0, kPositions, 1).ok());
  // Window and step lie on at most 4 pages of 16: 20 + 24 - 1 positions from anywhere in a page.
  const Bytes layer = shard.kv().layout().layer_bytes();
  const int64_t pages = PagesFor(kPositions, kPage);
  REQUIRE(shard.kv_reserved() == (bounded * 4 + (6 - bounded) * pages) * layer);
  link::ActivationFrame out;
  link::LogitsFrame logits;
  for (uint32_t done = 0; done < kPositions;) {
    // Some rows of which only the first are kept, as with guesses that are not accepted.
    const auto rows = std::min<uint32_t>(1 + random.Next() % kRows, kPositions - done);
    const auto kept = 1 + static_cast<uint32_t>(random.Next() % rows);
    link::TokenFrame step;
    for (uint32_t i = 0; i < rows; ++i) {
      step.rows.push_back({0, done + i});
      step.tokens.push_back(i < kept ? tokens[done + i]
                                     : static_cast<TokenId>(random.Next() % 256));
    }
    REQUIRE(shard.Step(step, &out).ok());
    REQUIRE(shard.Head(out, &logits).ok());
    REQUIRE(shard.kv_in_use() <= shard.kv_reserved());
    for (uint32_t i = 0; i < kept; ++i) {
      REQUIRE(std::memcmp(logits.logits.data() + i * logits.vocabulary, want[done + i].data(),
                          logits.vocabulary * sizeof(float)) == 0);
    }
    done += kept;
  }
  shard.Close(0);
  REQUIRE(shard.kv_reserved() == Bytes(0));
  REQUIRE(shard.kv_in_use() == Bytes(0));
}

TEST_CASE(
    "a shard takes no more pages of windowed layers than it reserved, and none that fell out") {
  kernels::ThreadPool pool(1);
  auto shard = Shard::Create(ModelOf("gemma2", &pool),
                             {.range = {0, 6}, .page_tokens = kPage, .max_rows = kRows}, &pool);
  REQUIRE(shard.ok());
  REQUIRE((*shard)->Open(0, kPositions, 1).ok());
  link::KvFrame frame;
  frame.job = 1;
  frame.layer_count = 1;  // the first has a window
  frame.positions = kPage;
  frame.data.resize(static_cast<size_t>((*shard)->kv().layout().layer_bytes().count()));
  const auto receive = [&](uint32_t page) {
    frame.first_position = page * kPage;
    return (*shard)->Receive(frame);
  };
  for (uint32_t page = 10; page < 14; ++page) REQUIRE(receive(page).ok());
  REQUIRE(absl::IsInvalidArgument(receive(14)));
  REQUIRE(absl::IsInvalidArgument(receive(9)));
  frame.first_layer = 1;  // the second sees everything
  for (uint32_t page = 0; page < 14; ++page) REQUIRE(receive(page).ok());
  frame.first_layer = 0;
  link::ActivationFrame out;
  REQUIRE((*shard)->Step({1, {{0, 14 * kPage}}, {5}}, &out).ok());
  REQUIRE(absl::IsInvalidArgument(receive(11)));  // its last position fell out of the window
}

TEST_CASE("latent KV is stored once") {
  test::RandomModelSpec spec;
  spec.architecture = "deepseek2";
  kernels::ThreadPool pool(1);
  auto packed = PackedModel::Load(OpenRandom(spec), {0, 2}, &pool);
  REQUIRE(packed.ok());
  auto shard = Shard::Create(*packed, {.range = {0, 2}, .page_tokens = kPage}, &pool);
  REQUIRE(shard.ok());
  const model::LatentPlan& plan = (*packed)->shape().latent;
  REQUIRE((*shard)->memory().kv_per_page ==
          Bytes(2 * kPage * 2 * (plan.kv_rank + plan.rotary_dim)));
}

}  // namespace
}  // namespace waferline::shard
