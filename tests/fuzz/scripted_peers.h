// The peers of a worker's process, played by a fuzzer's bytes: they connect, greet, send frames
// good and bad in any order, stop in the middle and go. Then all go, and one more comes, which
// behaves: it gets its answer, whatever was before.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "tests/fuzz/frame_recipe.h"
#include "tests/fuzz/scripted_network.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/compute/link/frames.h"

namespace waferline::fuzz {

// The one that comes last.
struct LastPeer {
  link::HelloFrame hello;
  std::vector<uint8_t> question;
  // Whether it has its answer with this frame.
  std::function<bool(std::span<const uint8_t> frame)> answered;
  bool may_be_refused = false;  // the worker may hang up instead
};

inline constexpr uint64_t kLastEpoch = uint64_t{1} << 40;
inline membership::Credentials LastCredentials() {
  return {.cell = "last", .incarnation = 99, .fence = {kLastEpoch, 1}};
}

// Owner and thread: one run of a fuzzer.
class ScriptedPeers {
 public:
  ScriptedPeers(Input* input, ScriptedMachine* machine) : input_(*input), machine_(*machine) {}
  virtual ~ScriptedPeers() = default;

  // From now on the process, which runs on this thread, meets them while it waits. It is stopped
  // once the last one has its answer.
  void Play(LastPeer last, std::atomic<bool>* stop) {
    machine_.on_idle = [this, last = std::move(last), stop] {
      if (link_ != nullptr) return Await(last, stop);
      if (Act()) return;
      for (const StreamPtr& stream : machine_.streams) stream->ended = true;
      link_ = Greet(last.hello);
      Put(link_.get(), last.question);
    };
  }

 protected:
  // What they say, made of the input; well-formed.
  virtual link::HelloFrame Hello() = 0;
  virtual std::vector<uint8_t> FrameFor(const Stream& stream) = 0;

  Input& input_;
  ScriptedMachine& machine_;

 private:
  static constexpr size_t kMaxStreams = 12;
  static constexpr int kMaxTurnsToAnswer = 1000;

  static void Put(Stream* stream, const std::vector<uint8_t>& bytes) {
    stream->in.insert(stream->in.end(), bytes.begin(), bytes.end());
  }
  StreamPtr Greet(const link::HelloFrame& hello) {
    const StreamPtr stream = machine_.Connect();
    WL_CHECK(stream != nullptr);
    Put(stream.get(), Encoded(hello));
    return stream;
  }

  void Await(const LastPeer& last, std::atomic<bool>* stop) {
    bool answered = false;
    TakeFrames(&link_->out,
               [&](std::span<const uint8_t> frame) { answered |= last.answered(frame); });
    const bool refused = !link_->open && last.may_be_refused;
    *stop = *stop || answered || refused;
    WL_CHECK(*stop || (link_->open && ++turns_ < kMaxTurnsToAnswer));
  }

  // One thing that a peer does; false: all bytes are used.
  bool Act() {
    for (const StreamPtr& stream : machine_.streams) {
      TakeFrames(&stream->out, [](std::span<const uint8_t>) {});
    }
    if (input_.empty()) return false;
    const uint8_t what = input_.Byte();
    if (what % 8 == 0 || machine_.streams.empty()) {
      if (machine_.streams.size() < kMaxStreams) Greet(Hello());
      return true;
    }
    Stream& stream = *machine_.streams[input_.Below(machine_.streams.size())];
    if (stream.ended) return true;
    if (what % 8 == 1) {
      Disturb(&stream);
      return true;
    }
    std::vector<uint8_t> frame = what % 8 == 7 ? RawFrame(&input_) : FrameFor(stream);
    Alter(&input_, &frame);
    Put(&stream, frame);
    return true;
  }

  void Disturb(Stream* stream) {
    switch (input_.Byte() % 5) {
      case 0:
        stream->ended = true;
        return;
      case 1:
        return machine_.Pass(Milliseconds(input_.Number()));
      case 2:
        stream->piece = 1 + input_.Below(40);
        return;
      case 3:
        return Put(stream, Encoded(Hello()));
      default:
        Put(stream, input_.Bytes(input_.Byte()));
    }
  }

  StreamPtr link_;  // the last one's
  int turns_ = 0;
};

}  // namespace waferline::fuzz
