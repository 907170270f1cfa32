// A cloud of the real devices, small and with round numbers, and a value source that the test
// steers. Engine, observer and sinks check the laws on the way.
#pragma once

#include <catch2/catch.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "scheduler/engine/engine.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/emulator/roofline.h"
#include "wafer_backend/emulator/shared_link.h"
#include "wafer_backend/emulator/stage_costs.h"
#include "wafer_backend/emulator/wafer_pipeline.h"

namespace waferline::engine {

// The token after a prompt and what was generated: a pure function, so that a re-prefill must give
// the same one.
inline TokenId TokenAt(const std::vector<TokenId>& prompt, uint32_t index) {
  return static_cast<TokenId>(Mix(static_cast<uint64_t>(prompt.front()) * 1000003 + index) % 50000);
}

class SteeredSource : public ValueSource {
 public:
  bool has_values() const override { return !lengths_only; }
  void Prefill(SequenceId id, SequenceSpec spec) override {
    for (uint32_t i = 0; i < spec.generated.size(); ++i) {
      WL_CHECK(spec.generated[i] == TokenAt(*spec.prompt, i));
    }
    WL_CHECK(alive.emplace(id, std::move(spec)).second);
    max_alive = std::max(max_alive, alive.size());
  }
  void Activate(SequenceId id) override { WL_CHECK(alive.contains(id)); }
  void Want(SequenceId id, uint32_t count) override { wanted[id] = count; }
  State Look(SequenceId id, uint32_t index, const TokenValue** value) override {
    const SequenceSpec& spec = alive.at(id);
    WL_CHECK(index >= spec.generated.size());
    if (failing) return State::kFailed;
    if (late_every > 0 && ++looks % late_every == 0) return State::kPending;
    if (withheld > 0) {
      --withheld;
      return State::kPending;
    }
    current = TokenValue{.id = TokenAt(*spec.prompt, index)};
    *value = &current;
    return State::kReady;
  }
  absl::Status Failure(SequenceId) override { return failure; }
  const std::vector<TokenValue>* PromptLogprobs(SequenceId) override { return nullptr; }
  void End(SequenceId id) override { WL_CHECK(alive.erase(id) == 1); }
  std::vector<ShardMemory> memory() const override { return {}; }

  std::map<SequenceId, SequenceSpec> alive;
  std::map<SequenceId, uint32_t> wanted;
  size_t max_alive = 0;
  int withheld = 0;         // this many looks find nothing
  uint64_t late_every = 0;  // every so many looks one finds nothing
  uint64_t looks = 0;
  bool failing = false;
  bool lengths_only = false;  // says so
  absl::Status failure = absl::UnavailableError("a worker was lost");
  TokenValue current;
};

struct TestSink : TokenSink {
  explicit TestSink(const std::vector<TokenId>& tokens) : prompt(tokens) {}
  void OnAdmitted() override {
    REQUIRE(!admitted);
    admitted = true;
  }
  void OnRefused(const Refusal& r) override {
    REQUIRE((!admitted && !refused && !ended));
    refused = true;
    refusal = r;
  }
  Verdict OnToken(const TokenEvent& token) override {
    REQUIRE((admitted && !ended));
    REQUIRE(token.index == instants.size());
    REQUIRE(token.value->id == TokenAt(prompt, token.index));
    if (!instants.empty()) REQUIRE(token.since_arrival >= instants.back());
    instants.push_back(token.since_arrival);
    return instants.size() == answer_at ? answer : Verdict::kContinue;
  }
  void OnOutcome(const Outcome& o) override {
    REQUIRE((admitted && !ended));
    ended = true;
    outcome = o;
    REQUIRE(o.generated_tokens == instants.size());
  }
  std::vector<TokenId> prompt;
  uint32_t max_tokens = 0;
  bool admitted = false, refused = false, ended = false;
  Refusal refusal;
  Outcome outcome;
  std::vector<Nanoseconds> instants;
  size_t answer_at = 0;  // after this many tokens
  Verdict answer = Verdict::kContinue;
};

struct CloudShape {
  int workers = 1;
  int units = 1;
  int gpus = 0;
  int max_running = 8;
  int64_t pages = 64;  // of 16 tokens, on the fullest stage
  Nanoseconds link_latency;
  bool own_links = false;  // each pipeline has one to itself, instead of one for all units
  Nanoseconds per_layer = Microseconds(10);
};

// A prefill token takes 1 us (and nothing else costs), a link byte 1 ns, a layer 10 us.
struct SmallCloud {
  static constexpr int kLayers = 8;
  static constexpr int kStages = 4;
  static constexpr int64_t kKvPerToken = 80;  // bytes, over all layers

  explicit SmallCloud(const CloudShape& wanted = {}) : shape(wanted) {
    link = std::make_unique<emulator::SharedLink>(&timeline, 1e9, shape.link_latency);
    lane.model = "m";
    lane.values = &source;
    lane.kv_bytes_per_token = Bytes(kKvPerToken);
    lane.block_tokens = 16;
    // A microsecond a token; decoding, 100 more a step.
    const timing::BatchCosts gpu{.kinds = {{.work = {.token_seconds = 1e-6}, .layers = 1}},
                                 .layers = kLayers};
    for (int i = 0; i < shape.workers; ++i) {
      prefill.push_back(std::make_unique<emulator::RooflinePrefill>(gpu));
      lane.workers.push_back({.name = "w" + std::to_string(i),
                              .device = prefill.back().get(),
                              .step_tokens = Tokens(64),
                              .backlog_tokens = Tokens(256)});
    }
    std::vector<ShardMemory> memory;
    for (int s = 0; s < kStages; ++s) {
      // The last stage is the fullest; the others have a page more for each stage before it.
      memory.push_back({.capacity = Bytes(1000 + 320 * (shape.pages + kStages - 1 - s)),
                        .weights = Bytes(900),
                        .buffers = Bytes(100),
                        .kv_per_page = Bytes(320),
                        .page_tokens = Tokens(16)});
    }
    for (int i = 0; i < shape.units; ++i) {
      pipelines.push_back(
          std::make_unique<emulator::WaferPipeline>(std::make_unique<emulator::LinearStageCosts>(
              emulator::LinearCosts{.layers = kLayers,
                                    .stages = kStages,
                                    .per_layer = shape.per_layer,
                                    .max_kv_length = Tokens(4096)})));
      lane.units.push_back({.name = "u" + std::to_string(i),
                            .pipeline = pipelines.back().get(),
                            .memory = memory,
                            .link = link.get()});
      lane.units.back().max_running = shape.max_running;
      if (shape.own_links && i > 0) {
        own_links.push_back(
            std::make_unique<emulator::SharedLink>(&timeline, 1e9, shape.link_latency));
        lane.units.back().link = own_links.back().get();
      }
    }
    for (int i = 0; i < shape.gpus; ++i) {
      timing::BatchCosts decode = gpu;
      decode.kinds[0].work.start_seconds = 1e-4;
      decoders.push_back(std::make_unique<emulator::RooflineDecoder>(decode));
      lane.units.push_back({.name = "g" + std::to_string(i),
                            .batch = decoders.back().get(),
                            .tier = UnitTier::kSlow,
                            .memory = {memory.back()},
                            .link = link.get()});
      lane.units.back().max_running = shape.max_running;
    }
  }

  void Build(EngineOptions options = {.max_sequences = 64},
             std::vector<EngineObserver*> observers = {}) {
    auto made = Engine::Create(options, &timeline, {lane}, std::move(observers));
    INFO(made.status().message());
    REQUIRE(made.ok());
    engine = *std::move(made);
  }

  std::shared_ptr<TestSink> Ask(uint32_t prompt_tokens, uint32_t max_tokens,
                                ValidRequest request = {}) {
    std::vector<TokenId> prompt(prompt_tokens);
    ++asked;
    for (uint32_t i = 0; i < prompt_tokens; ++i) prompt[i] = static_cast<TokenId>(asked * 1000 + i);
    return AskFor(std::move(prompt), max_tokens, std::move(request));
  }
  std::shared_ptr<TestSink> AskFor(std::vector<TokenId> prompt, uint32_t max_tokens,
                                   ValidRequest request = {}) {
    auto sink = std::make_shared<TestSink>(prompt);
    sink->max_tokens = max_tokens;
    request.model = "m";
    request.prompt = std::make_shared<const std::vector<TokenId>>(std::move(prompt));
    request.max_tokens = max_tokens;
    request.sink = sink;
    last = Ticket{++tickets};
    engine->Submit(last, std::move(request));
    engine->CheckLaws();
    return sink;
  }

  // One event at a time, laws checked after each.
  Engine::Pause Run(Nanoseconds limit = Seconds(1000)) {
    for (;;) {
      const Engine::Pause pause =
          engine->RunUntil(timeline.empty() ? limit : std::min(limit, timeline.next_instant()));
      engine->CheckLaws();
      if (pause == Engine::Pause::kLimit && timeline.next_instant() <= limit) continue;
      return pause;
    }
  }

  CloudShape shape;
  Timeline timeline;
  SteeredSource source;
  std::unique_ptr<emulator::SharedLink> link;
  std::vector<std::unique_ptr<emulator::SharedLink>> own_links;
  std::vector<std::unique_ptr<emulator::RooflinePrefill>> prefill;
  std::vector<std::unique_ptr<emulator::WaferPipeline>> pipelines;
  std::vector<std::unique_ptr<emulator::RooflineDecoder>> decoders;
  LaneSpec lane;
  std::unique_ptr<Engine> engine;
  uint64_t tickets = 0;
  int asked = 0;
  Ticket last;
};

}  // namespace waferline::engine
