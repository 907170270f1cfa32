// fuzzes: wafer_backend/compute/prefill tests/support
// A prefill worker's process, its drivers and the shards that they name: frames good and bad in any
// order, links that end in the middle. It sends only whole frames, and whatever was before, the
// next driver gets its prompt computed.
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/fuzz/frame_recipe.h"
#include "tests/fuzz/fuzz_model.h"
#include "tests/fuzz/scripted_network.h"
#include "wafer_backend/compute/link/frames.h"
#include "wafer_backend/compute/prefill/prefill_server.h"
#include "wafer_backend/compute/shard/peer_model.h"

namespace waferline::fuzz {
namespace {

constexpr size_t kMaxStreams = 12;
constexpr uint64_t kLastEpoch = uint64_t{1} << 40, kLastJob = uint64_t{1} << 40;
constexpr int kMaxTurnsToAnswer = 1000;

class Peers {
 public:
  Peers(Input* input, ScriptedMachine* machine) : input_(*input), machine_(*machine) {}

  // One thing that a peer does; false: all bytes are used.
  bool Act() {
    for (const StreamPtr& stream : machine_.streams) {
      TakeFrames(&stream->out, [](std::span<const uint8_t>) {});
    }
    if (input_.empty()) return false;
    const uint8_t what = input_.Byte();
    if (what % 8 == 0 || machine_.streams.empty()) {
      if (machine_.streams.size() < kMaxStreams) Greet(DriverHello());
      return true;
    }
    Stream& stream = *machine_.streams[input_.Below(machine_.streams.size())];
    if (stream.ended) return true;
    if (what % 8 == 1) {
      switch (input_.Byte() % 4) {
        case 0:
          stream.ended = true;
          break;
        case 1:
          machine_.Pass(Milliseconds(input_.Number()));
          break;
        case 2:
          stream.piece = 1 + input_.Below(40);
          break;
        default:
          Put(&stream, input_.Bytes(input_.Byte()));
      }
      return true;
    }
    std::vector<uint8_t> frame = stream.called.empty() ? DriverFrame() : ShardFrame();
    if (what % 8 == 7) frame = RawFrame(&input_);
    Alter(&input_, &frame);
    Put(&stream, frame);
    return true;
  }

  // The next driver; its link.
  StreamPtr Last() {
    for (const StreamPtr& stream : machine_.streams) stream->ended = true;
    link::HelloFrame hello = shard::HelloFor(link::Role::kDriver, *Model(), {}, 0);
    hello.credentials = {.cell = "last", .incarnation = 99, .fence = {kLastEpoch, 1}};
    const StreamPtr link = Greet(hello);
    link::PrefillFrame job;
    job.job = kLastJob;
    job.tokens = {3, 4, 5};
    job.prompt_tokens = 3;
    Put(link.get(), Encoded(job));
    return link;
  }

 private:
  static void Put(Stream* stream, const std::vector<uint8_t>& bytes) {
    stream->in.insert(stream->in.end(), bytes.begin(), bytes.end());
  }
  StreamPtr Greet(const link::HelloFrame& hello) {
    const StreamPtr stream = machine_.Connect();
    WL_CHECK(stream != nullptr);
    Put(stream.get(), Encoded(hello));
    return stream;
  }

  link::HelloFrame DriverHello() {
    const uint8_t who = input_.Byte();
    link::HelloFrame hello =
        shard::HelloFor(who % 16 == 15 ? link::Role::kShard : link::Role::kDriver, *Model(), {}, 0);
    hello.credentials = {.cell = "cell", .worker = "driver", .incarnation = 1, .fence = {1, 1}};
    if (who >= 128) hello.credentials.incarnation = input_.Number();
    if (who >= 192) hello.credentials.fence = {input_.Number(), input_.Number()};
    return hello;
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

  Input& input_;
  ScriptedMachine& machine_;
};

void Run(Input input) {
  ScriptedMachine machine;
  Peers peers(&input, &machine);
  std::atomic<bool> stop{false};
  StreamPtr last;
  int turns = 0;
  machine.on_idle = [&] {
    if (last == nullptr) {
      if (!peers.Act()) last = peers.Last();
      return;
    }
    TakeFrames(&last->out, [&](std::span<const uint8_t> frame) {
      link::PrefilledFrame result;
      if (!link::Decode(frame, &result).ok() || result.job != kLastJob) return;
      WL_CHECK(result.code == 0 &&
               static_cast<int64_t>(result.logits.size()) == Model()->shape().vocabulary);
      stop = true;
    });
    WL_CHECK(stop || (last->open && ++turns < kMaxTurnsToAnswer));
  };
  prefill::PrefillServerOptions options;
  options.listen = "prefill:1";
  options.model = Model();
  options.prefill.page_tokens = kPageTokens;
  options.prefill.chunk_tokens = 16;
  options.prefill.max_jobs = 8;
  options.threads = 1;
  WL_CHECK(prefill::RunPrefillServer(options, stop).ok());
}

}  // namespace
}  // namespace waferline::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  waferline::fuzz::Run({data, size});
  return 0;
}
