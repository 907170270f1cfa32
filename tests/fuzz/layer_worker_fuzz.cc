// fuzzes: wafer_backend/compute/shard tests/support
// A worker of experts, or of feed-forward parts, and the shards that send it rows: activations good
// and bad in any order. It sends only whole frames, and a shard that behaves gets its rows back.
#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "tests/fuzz/entry.h"
#include "tests/fuzz/frame_recipe.h"
#include "tests/fuzz/fuzz_model.h"
#include "tests/fuzz/scripted_network.h"
#include "tests/fuzz/scripted_peers.h"
#include "wafer_backend/compute/link/frames.h"
#include "wafer_backend/compute/shard/layer_server.h"
#include "wafer_backend/compute/shard/peer_model.h"

namespace waferline::fuzz {
namespace {

constexpr int64_t kExperts = 4, kMaxRows = 16;
constexpr uint64_t kLastExchange = uint64_t{1} << 40;
const shard::ModelPart kOfExperts = {{0, kLayers}, {1, 3}, shard::LayerSide::kExperts};
const shard::ModelPart kOfFeedForward = {{0, kLayers}, {}, shard::LayerSide::kFeedForward};

const ModelPtr& PartOf(bool experts) {
  static const auto* const of_experts = new ModelPtr(LoadModel(kExperts, kOfExperts));
  static const auto* const of_feed_forward = new ModelPtr(LoadModel(0, kOfFeedForward));
  return experts ? *of_experts : *of_feed_forward;
}

link::HelloFrame ShardHello(bool experts, const membership::Credentials& credentials) {
  link::HelloFrame hello = shard::HelloFor(experts ? link::Role::kShard : link::Role::kAttention,
                                           *PartOf(experts), {0, kLayers}, 0);
  hello.credentials = credentials;
  return hello;
}

// What a shard sends to a worker with so many counts.
link::LayerRowsFrame Rows(uint64_t exchange, std::vector<uint32_t> counts, size_t rows) {
  link::LayerRowsFrame frame{
      .exchange = exchange, .layer = 0, .width = 32, .counts = std::move(counts), .hidden = {}};
  frame.hidden.assign(rows * frame.width, 0.5f);
  return frame;
}

class Peers : public ScriptedPeers {
 public:
  Peers(Input* input, ScriptedMachine* machine, bool experts)
      : ScriptedPeers(input, machine), experts_(experts) {}

 private:
  link::HelloFrame Hello() override {
    const uint8_t who = input_.Byte();
    membership::Credentials credentials = {
        .cell = "cell", .worker = "shard", .incarnation = 1, .fence = {1, 1}};
    if (who >= 192) credentials.fence = {input_.Number(), input_.Number()};
    return ShardHello(who % 16 == 15 ? !experts_ : experts_, credentials);
  }
  std::vector<uint8_t> FrameFor(const Stream&) override {
    std::vector<uint32_t> counts;
    size_t rows = 0;
    const uint8_t how = input_.Byte();
    const size_t entries = how >= 224 ? input_.Below(8) : experts_ ? 2 : 1;
    for (size_t i = 0; i < entries; ++i) {
      counts.push_back(how >= 192 ? input_.Number() : static_cast<uint32_t>(input_.Below(6)));
      rows += counts.back();
    }
    link::LayerRowsFrame frame = Rows(input_.Number(), std::move(counts), rows % 64);
    frame.layer = static_cast<uint32_t>(input_.Below(4));
    if (how >= 240) frame.width = input_.Number();
    return Encoded(frame);
  }

  const bool experts_;
};

LastPeer NextShard(bool experts) {
  const link::LayerRowsFrame question =
      experts ? Rows(kLastExchange, {1, 2}, 3) : Rows(kLastExchange, {3}, 3);
  const auto answered = [counts = question.counts](std::span<const uint8_t> frame) {
    link::LayerRowsFrame rows;
    if (!link::Decode(frame, &rows).ok()) return false;
    WL_CHECK(rows.exchange == kLastExchange && rows.counts == counts && rows.hidden.size() == 96);
    return true;
  };
  return {.hello = ShardHello(experts, LastCredentials()),
          .question = Encoded(question),
          .answered = answered};
}

template <typename Options>
Options OptionsOf(bool experts) {
  Options options;
  options.listen = "worker:1";
  options.model = PartOf(experts);
  options.worker.layers = {0, kLayers};
  options.worker.max_rows = kMaxRows;
  options.threads = 1;
  return options;
}

}  // namespace

void Run(Input input) {
  const bool experts = input.Byte() % 2 == 0;
  ScriptedMachine machine;
  Peers peers(&input, &machine, experts);
  std::atomic<bool> stop{false};
  peers.Play(NextShard(experts), &stop);
  if (!experts) {
    const auto options = OptionsOf<shard::FeedForwardServerOptions>(false);
    WL_CHECK(shard::RunFeedForwardServer(options, stop).ok());
    return;
  }
  auto options = OptionsOf<shard::ExpertServerOptions>(true);
  options.worker.experts = kOfExperts.experts;
  WL_CHECK(shard::RunExpertServer(options, stop).ok());
}

}  // namespace waferline::fuzz
