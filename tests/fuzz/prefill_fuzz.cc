// fuzzes: wafer_backend/compute/prefill tests/support
// A prefill worker's process, its drivers and the shards that they name: frames good and bad in any
// order, links that end in the middle. It sends only whole frames.
#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tests/fuzz/entry.h"
#include "tests/fuzz/frame_recipe.h"
#include "tests/fuzz/fuzz_model.h"
#include "tests/fuzz/scripted_network.h"
#include "tests/fuzz/scripted_peers.h"
#include "wafer_backend/compute/link/frames.h"
#include "wafer_backend/compute/prefill/prefill_server.h"
#include "wafer_backend/compute/shard/peer_model.h"

namespace waferline::fuzz {
namespace {

constexpr uint64_t kLastJob = uint64_t{1} << 40;

class Peers : public ScriptedPeers {
 public:
  using ScriptedPeers::ScriptedPeers;

 private:
  link::HelloFrame Hello() override {
    const uint8_t who = input_.Byte();
    link::HelloFrame hello =
        shard::HelloFor(who % 16 == 15 ? link::Role::kShard : link::Role::kDriver, *Model(), {}, 0);
    hello.credentials = {.cell = "cell", .worker = "driver", .incarnation = 1, .fence = {1, 1}};
    if (who >= 128) hello.credentials.incarnation = input_.Number();
    if (who >= 192) hello.credentials.fence = {input_.Number(), input_.Number()};
    return hello;
  }

  std::vector<uint8_t> FrameFor(const Stream& stream) override {
    return stream.called.empty() ? DriverFrame() : ShardFrame();
  }
  std::vector<uint8_t> DriverFrame() {
    switch (input_.Byte() % 8) {
      case 0:
      case 1:
      case 2: {
        link::PrefillFrame frame;
        frame.job = input_.Number();
        frame.tokens.resize(input_.Below(70));
        for (TokenId& id : frame.tokens) id = static_cast<TokenId>(input_.Number());
        const uint8_t how = input_.Byte();
        frame.prompt_tokens =
            how < 200 ? static_cast<uint32_t>(frame.tokens.size()) : input_.Number();
        frame.wants_prompt_logprobs = how % 4 == 1;
        frame.top_logprobs = how % 8 == 5 ? static_cast<int32_t>(input_.Number()) : -1;
        frame.vector = how % 4 == 2 ? input_.Number() : 0;
        return Encoded(frame);
      }
      case 3:
      case 4:
        return Encoded(link::HandOffFrame{input_.Number(), input_.Number()});
      case 5:
        return Encoded(link::CancelFrame{input_.Number()});
      default: {
        link::ShardsFrame frame{.epoch = 1, .generation = input_.Number(), .shards = {}};
        const auto cut = static_cast<uint32_t>(input_.Below(3));
        machine_.refuses = input_.Byte() % 8 == 7;
        if (cut > 0) frame.shards.push_back({"shard-0:1", 0, cut});
        if (cut < kLayers) frame.shards.push_back({"shard-1:1", cut, kLayers});
        if (input_.Byte() % 8 == 7) frame.shards.push_back({"x", input_.Number(), input_.Number()});
        return Encoded(frame);
      }
    }
  }

  std::vector<uint8_t> ShardFrame() {
    if (input_.Byte() % 3 > 0) {
      return Encoded(link::KvReceivedFrame{input_.Number(), input_.Byte() % 8 == 7 ? 9u : 0u, ""});
    }
    const auto first = static_cast<int64_t>(input_.Below(3));
    link::HelloFrame hello =
        shard::HelloFor(link::Role::kShard, *Model(), {first, kLayers}, kPageTokens);
    hello.slots = 8;
    hello.max_rows = 16;
    return Encoded(hello);
  }
};

// The next driver gets its prompt computed.
LastPeer NextDriver() {
  link::HelloFrame hello = shard::HelloFor(link::Role::kDriver, *Model(), {}, 0);
  hello.credentials = LastCredentials();
  link::PrefillFrame job;
  job.job = kLastJob;
  job.tokens = {3, 4, 5};
  job.prompt_tokens = 3;
  const auto answered = [](std::span<const uint8_t> frame) {
    link::PrefilledFrame result;
    if (!link::Decode(frame, &result).ok() || result.job != kLastJob) return false;
    WL_CHECK(result.code == 0 &&
             static_cast<int64_t>(result.logits.size()) == Model()->shape().vocabulary);
    return true;
  };
  return {.hello = hello, .question = Encoded(job), .answered = answered};
}

}  // namespace

void Run(Input input) {
  ScriptedMachine machine;
  Peers peers(&input, &machine);
  std::atomic<bool> stop{false};
  peers.Play(NextDriver(), &stop);
  prefill::PrefillServerOptions options;
  options.listen = "prefill:1";
  options.model = Model();
  options.prefill.page_tokens = kPageTokens;
  options.prefill.chunk_tokens = 16;
  options.prefill.max_jobs = 8;
  options.threads = 1;
  WL_CHECK(prefill::RunPrefillServer(options, stop).ok());
}

}  // namespace waferline::fuzz
