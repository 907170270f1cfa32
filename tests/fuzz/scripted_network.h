// A machine and its network for code that runs one reactor on the calling thread: time passes when
// the code waits, and its peers are the fuzzer, which reads and writes the other ends.
//
// Owner and thread: one run of a fuzzer. The code's reactors die before it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "wafer_backend/compute/link/network.h"

namespace waferline::fuzz {

// A connection, as the fuzzer has it.
struct Stream {
  std::string called;        // the endpoint that the code connected to; "": the fuzzer connected
  bool open = true;          // the code has not closed it
  bool ended = false;        // the fuzzer has: after `in` comes the end
  size_t piece = SIZE_MAX;   // the code reads at most so much at once
  std::vector<uint8_t> in;   // to the code, not read yet
  std::vector<uint8_t> out;  // from the code
  std::span<uint8_t> room;
  link::Socket::OnRead read_done;
};
using StreamPtr = std::shared_ptr<Stream>;

class ScriptedMachine : public link::NetworkedMachine {
 public:
  ScriptedMachine() { SetForThisThread(this); }
  ~ScriptedMachine() override { SetForThisThread(nullptr); }

  // What the fuzzer does when the code has nothing to do.
  std::function<void()> on_idle = [] {};
  // All connections there have been, oldest first.
  std::vector<StreamPtr> streams;
  // Endpoints that refuse connections.
  bool refuses = false;

  // To where the code listens. Null: it does not.
  StreamPtr Connect() {
    if (!on_accepted_) return nullptr;
    const auto stream = std::make_shared<Stream>();
    streams.push_back(stream);
    ready_.push_back([this, stream] {
      if (on_accepted_) on_accepted_(std::make_unique<Socket>(stream));
    });
    return stream;
  }
  void Pass(Nanoseconds time) { now_ += time; }

  Nanoseconds Now() const override { return now_; }
  void Wait(const void*, Nanoseconds until) override {
    now_ = std::max(now_, std::min(until, now_ + Seconds(1)));
  }
  void Notify(const void*) override {}
  uint64_t Start(std::function<void()> run) override {
    run();  // at once
    return 0;
  }
  void Join(uint64_t) override {}
  std::unique_ptr<link::Network> MakeNetwork() override { return std::make_unique<Net>(this); }

 private:
  class Socket : public link::Socket {
   public:
    explicit Socket(StreamPtr stream) : stream_(std::move(stream)) {}
    ~Socket() override { Close(); }
    bool open() const override { return stream_->open; }
    void Close() override {
      stream_->open = false;
      stream_->read_done = nullptr;
    }
    const std::string& peer() const override { return peer_; }
    void Read(std::span<uint8_t> room, OnRead done) override {
      stream_->room = room;
      stream_->read_done = std::move(done);
    }
    absl::StatusOr<size_t> Write(std::span<const uint8_t> bytes) override {
      if (stream_->ended) return absl::UnavailableError("Broken pipe");
      stream_->out.insert(stream_->out.end(), bytes.begin(), bytes.end());
      return bytes.size();
    }
    void AwaitRoom(OnRoom) override {}  // there always is

   private:
    const StreamPtr stream_;
    const std::string peer_ = "peer:1";
  };

  class Net : public link::Network {
   public:
    explicit Net(ScriptedMachine* machine) : machine_(machine) {}
    Nanoseconds Now() const override { return machine_->now_; }
    void Turn(Nanoseconds patience) override { machine_->Turn(patience); }
    void Wake() override {}
    std::unique_ptr<Pending> Connect(const std::string& endpoint, Nanoseconds,
                                     OnConnected done) override {
      auto attempt = std::make_shared<OnConnected>(std::move(done));
      machine_->ready_.push_back([machine = machine_, attempt, endpoint] {
        if (*attempt == nullptr) return;
        const OnConnected answer = std::exchange(*attempt, nullptr);
        if (machine->refuses) return answer(absl::UnavailableError("Connection refused"));
        const auto stream = std::make_shared<Stream>();
        stream->called = endpoint;
        machine->streams.push_back(stream);
        answer(std::make_unique<Socket>(stream));
      });
      return std::make_unique<Attempt>(std::move(attempt));
    }
    absl::StatusOr<std::unique_ptr<Acceptor>> Listen(const std::string&,
                                                     OnAccepted on_accepted) override {
      machine_->on_accepted_ = std::move(on_accepted);
      return std::make_unique<Listening>(machine_);
    }

   private:
    struct Attempt : Pending {
      explicit Attempt(std::shared_ptr<OnConnected> its) : done(std::move(its)) {}
      ~Attempt() override { *done = nullptr; }
      const std::shared_ptr<OnConnected> done;
    };
    struct Listening : Acceptor {
      explicit Listening(ScriptedMachine* its) : machine(its) {}
      ~Listening() override { machine->on_accepted_ = nullptr; }
      uint16_t port() const override { return 1; }
      ScriptedMachine* const machine;
    };
    ScriptedMachine* const machine_;
  };

  void Turn(Nanoseconds patience) {
    if (RunReady()) {
      now_ += Microseconds(1);
      return;
    }
    now_ += std::max(patience, Microseconds(50));
    on_idle();
    RunReady();
  }

  bool RunReady() {
    bool any = false;
    for (auto calls = std::exchange(ready_, {}); const auto& call : calls) {
      call();
      any = true;
    }
    for (size_t i = 0; i < streams.size(); ++i) {
      const StreamPtr stream = streams[i];  // a read may add one
      if (!stream->open || stream->read_done == nullptr) continue;
      if (stream->in.empty() && !stream->ended) continue;
      const size_t count = std::min({stream->in.size(), stream->room.size(), stream->piece});
      std::copy_n(stream->in.begin(), count, stream->room.begin());
      stream->in.erase(stream->in.begin(), stream->in.begin() + static_cast<ptrdiff_t>(count));
      const auto done = std::exchange(stream->read_done, nullptr);
      done(count > 0 ? absl::OkStatus() : absl::UnavailableError("End of file"), count);
      any = true;
    }
    return any;
  }

  Nanoseconds now_ = Seconds(1);
  link::Network::OnAccepted on_accepted_;
  std::vector<std::function<void()>> ready_;
};

}  // namespace waferline::fuzz
