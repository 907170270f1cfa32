// Prompts longer than the windows of a model's layers: what is held, what is handed off, and that
// decoding goes on with the same bits.
#include <catch2/catch.hpp>
#include <cstring>
#include <map>

#include "tests/support/random_model.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/compute/link/local_pipe.h"
#include "wafer_backend/compute/prefill/prefill_service.h"
#include "wafer_backend/compute/shard/shard.h"

namespace waferline::prefill {
namespace {

constexpr int64_t kPageTokens = 16, kChunk = 24, kWindow = 32;

std::shared_ptr<const shard::PackedModel> ModelOf(const std::string& family,
                                                  kernels::ThreadPool* pool) {
  test::RandomModelSpec spec;
  spec.architecture = family;
  spec.layers = 4;
  spec.context = 512;
  spec.window = kWindow;
  test::GgufWriter writer = test::RandomModel(spec);
  // Of these, the length of a chunk.
  if (family == "llama4") writer.SetUint("llama4.attention.sliding_window", kWindow);
  auto file = model::GgufFile::FromBytes(writer.Bytes(), family);
  REQUIRE(file.ok());
  auto model = shard::PackedModel::Load(*file, {0, 4}, pool);
  INFO(model.status());
  REQUIRE(model.ok());
  return *model;
}

// A shard of all layers, and the way of pages to it.
struct Decoder {
  Decoder(std::shared_ptr<const shard::PackedModel> model, kernels::ThreadPool* pool)
      : shard(*shard::Shard::Create(std::move(model), {.range = {0, 4}, .page_tokens = kPageTokens},
                                    pool)) {}

  // Takes what has arrived; counts pages of each layer.
  bool TakeFrames() {
    bool last = false;
    while (pipe.Take(&bytes)) {
      REQUIRE(inlet
                  .Accept(bytes,
                          [&](const link::KvFrame& frame) {
                            for (uint32_t i = 0; i < frame.layer_count; ++i) {
                              ++pages[frame.first_layer + i];
                            }
                            last = frame.last;
                            return shard->Receive(frame);
                          })
                  .ok());
    }
    return last;
  }
  std::vector<float> Step(uint32_t position, TokenId token) {
    link::ActivationFrame out;
    link::LogitsFrame logits;
    REQUIRE(shard->Step({1, {{0, position}}, {token}}, &out).ok());
    REQUIRE(shard->Head(out, &logits).ok());
    return logits.logits;
  }

  std::unique_ptr<shard::Shard> shard;
  link::LocalPipe pipe{8};
  link::KvOutlet outlet{&pipe};
  link::KvInlet inlet;
  std::vector<uint8_t> bytes;
  std::map<uint32_t, int64_t> pages;
};

// At 192, a multiple of the chunk, nothing of the prompt is seen again in layers with chunks.
TEST_CASE("windowed layers hand off what the next position sees, and decoding is the same") {
  const std::string family = GENERATE("gemma2", "mistral", "llama4");
  const int64_t prompt = GENERATE(5, 192, 203);
  CAPTURE(family, prompt);
  kernels::ThreadPool pool(2);
  const auto model = ModelOf(family, &pool);
  SeededStream random(4);
  std::vector<TokenId> tokens(static_cast<size_t>(prompt + 40));
  for (TokenId& token : tokens) token = static_cast<TokenId>(random.Next() % 256);

  auto worker =
      PrefillWorker::Create(model, {.page_tokens = kPageTokens, .chunk_tokens = kChunk}, &pool);
  REQUIRE(worker.ok());
  PrefillService service(*std::move(worker));
  Decoder handed(model, &pool), alone(model, &pool);
  service.SetTargets({{{0, 4}, &handed.outlet}});
  REQUIRE(handed.shard->Open(0, static_cast<uint32_t>(tokens.size()), 1).ok());
  REQUIRE(alone.shard->Open(0, static_cast<uint32_t>(tokens.size()), 1).ok());
  PrefillJob job;
  job.id = 1;
  job.tokens.assign(tokens.begin(), tokens.begin() + prompt);
  job.prompt_tokens = static_cast<uint32_t>(prompt);
  service.Submit(std::move(job));
  service.HandOff(1, 0);

  const int64_t all = shard::PagesFor(prompt, kPageTokens);
  const int64_t layer = handed.shard->kv().layout().layer_bytes().count();
  int64_t bounded = 0;
  for (const model::LayerPlan& plan : model->shape().plan) {
    bounded += plan.window > 0 || plan.chunk > 0;
  }
  std::vector<Prefilled> done;
  bool last = false;
  for (int turn = 0; turn < 100 && !last; ++turn) {
    service.Step(kChunk, &done);
    // 32 + 24 - 1 positions lie on at most 5 pages.
    const int64_t most = bounded * std::min<int64_t>(5, all) + (4 - bounded) * all;
    REQUIRE(service.worker().kv_held() <= Bytes(most * layer));
    last = handed.TakeFrames();
  }
  REQUIRE(last);
  for (uint32_t i = 0; i < 4; ++i) {
    const model::LayerPlan& plan = model->shape().plan[i];
    const bool seen_to_the_end = plan.window == 0 && plan.chunk == 0;
    CAPTURE(i, handed.pages[i]);
    REQUIRE((seen_to_the_end ? handed.pages[i] == all : handed.pages[i] <= 3));
    REQUIRE(handed.pages[i] >= 1);
  }
  REQUIRE(done.size() == 1);
  std::vector<float> want;
  for (uint32_t i = 0; i < tokens.size(); ++i) {
    want = alone.Step(i, tokens[i]);
    const std::vector<float> got = i + 1 < prompt    ? want
                                   : i + 1 == prompt ? done[0].logits
                                                     : handed.Step(i, tokens[i]);
    REQUIRE(std::memcmp(got.data(), want.data(), want.size() * sizeof(float)) == 0);
  }
}

}  // namespace
}  // namespace waferline::prefill
