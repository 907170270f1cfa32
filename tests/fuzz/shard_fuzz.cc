// fuzzes: wafer_backend/compute/shard tests/support
// A shard's process and its peers: drivers, neighbours and prefill workers with frames good and bad
// in any order. It sends only whole frames.
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tests/fuzz/entry.h"
#include "tests/fuzz/frame_recipe.h"
#include "tests/fuzz/fuzz_model.h"
#include "tests/fuzz/scripted_network.h"
#include "tests/fuzz/scripted_peers.h"
#include "wafer_backend/compute/link/frames.h"
#include "wafer_backend/compute/shard/peer_model.h"
#include "wafer_backend/compute/shard/shard_server.h"

namespace waferline::fuzz {
namespace {

class Peers : public ScriptedPeers {
 public:
  Peers(Input* input, ScriptedMachine* machine, shard::LayerRange range)
      : ScriptedPeers(input, machine), range_(range) {}

 private:
  link::HelloFrame Hello() override {
    const uint8_t who = input_.Byte();
    const auto role = who % 16 < 8    ? link::Role::kDriver
                      : who % 16 < 11 ? link::Role::kNeighbour
                      : who % 16 < 14 ? link::Role::kPrefill
                                      : link::Role::kShard;
    // What is before it, if it is a neighbour.
    const shard::LayerRange layers{0, role == link::Role::kNeighbour ? range_.first : kLayers};
    link::HelloFrame hello = shard::HelloFor(role, *Model(), layers, kPageTokens);
    if (role == link::Role::kDriver) hello.page_tokens = 0;
    hello.credentials = {.cell = "cell", .worker = "peer", .incarnation = 1, .fence = {1, 1}};
    if (who >= 128) hello.credentials.incarnation = input_.Number();
    if (who >= 160) hello.credentials.fence = {input_.Number(), input_.Number()};
    if (who >= 240) hello.model_fingerprint ^= 1;
    return hello;
  }

  std::vector<link::Row> Rows() {
    std::vector<link::Row> rows(input_.Below(20));
    link::Row row{input_.Number(), input_.Number()};
    for (link::Row& each : rows) {
      each = row;
      const uint8_t next = input_.Byte();
      ++row.position;
      if (next >= 192) row = {input_.Number(), input_.Number()};
    }
    return rows;
  }

  std::vector<uint8_t> FrameFor(const Stream&) override {
    switch (input_.Byte() % 10) {
      case 0:
      case 1:
        return Encoded(link::OpenFrame{input_.Number(), input_.Number(), input_.Number()});
      case 2:
        return Encoded(link::CloseFrame{input_.Number()});
      case 3:
        return Encoded(link::AskMemoryFrame{});
      case 4: {
        link::TokenFrame frame{.step = input_.Number(), .rows = Rows(), .tokens = {}};
        for (size_t i = 0; i < frame.rows.size(); ++i) {
          frame.tokens.push_back(static_cast<TokenId>(input_.Number()));
        }
        return Encoded(frame);
      }
      case 5: {
        const auto width = static_cast<uint32_t>(Model()->shape().hidden);
        link::ActivationFrame frame{
            .step = input_.Number(), .width = width, .rows = Rows(), .hidden = {}};
        frame.hidden.assign(frame.rows.size() * width, static_cast<float>(input_.Byte()));
        return Encoded(frame);
      }
      case 6:
      case 7: {
        link::KvFrame frame{.job = input_.Number(),
                            .slot = input_.Number(),
                            .first_layer = static_cast<uint32_t>(range_.first + input_.Below(3)),
                            .layer_count = static_cast<uint32_t>(input_.Below(4)),
                            .first_position = 16 * input_.Number(),
                            .positions = input_.Number(),
                            .last = input_.Byte() % 2 == 1,
                            .data = {}};
        const auto page = shard::KvLayoutOf(Model()->shape(), frame.layer_count, kPageTokens);
        frame.data.resize(static_cast<size_t>(page.page_bytes().count()));
        return Encoded(frame);
      }
      case 8:
        return Encoded(link::AssignFrame{static_cast<uint32_t>(input_.Below(4)), input_.Number()});
      default: {
        static constexpr const char* kNext[] = {"", "next:1", "nowhere", "next:1"};
        machine_.refuses = input_.Byte() % 8 == 7;
        return Encoded(link::JoinFrame{kNext[input_.Below(4)]});
      }
    }
  }

  const shard::LayerRange range_;
};

// 0: whole, 1: the first of two, 2: the last of two, 3: one that its driver gives its layers.
shard::LayerRange RangeOf(size_t kind) {
  static constexpr shard::LayerRange kRanges[] = {{0, kLayers}, {0, 1}, {1, kLayers}, {}};
  return kRanges[kind];
}

// The next driver finds an empty shard; one without layers refuses to say.
LastPeer NextDriver(bool has_layers, std::optional<link::MemoryFrame>* memory) {
  link::HelloFrame hello = shard::HelloFor(link::Role::kDriver, *Model(), {}, 0);
  hello.credentials = LastCredentials();
  const auto answered = [memory](std::span<const uint8_t> frame) {
    link::MemoryFrame report;
    if (link::Decode(frame, &report).ok()) *memory = report;
    return memory->has_value();
  };
  return {.hello = hello,
          .question = Encoded(link::AskMemoryFrame{}),
          .answered = answered,
          .may_be_refused = !has_layers};
}

}  // namespace

void Run(Input input) {
  const size_t kind = input.Below(4);
  const shard::LayerRange range = RangeOf(kind);
  ScriptedMachine machine;
  Peers peers(&input, &machine, range);
  std::atomic<bool> stop{false};
  std::optional<link::MemoryFrame> memory;
  peers.Play(NextDriver(kind != 3, &memory), &stop);
  shard::ShardServerOptions options;
  options.listen = "shard:1";
  options.model = Model();
  options.shard.range = range;
  options.shard.page_tokens = kPageTokens;
  options.shard.slots = 8;
  options.shard.max_rows = 16;
  options.threads = 1;
  WL_CHECK(shard::RunShardServer(options, stop).ok());
  WL_CHECK(memory.has_value() ? memory->kv_reserved == 0 : kind == 3);
}

}  // namespace waferline::fuzz
