// The ends of streams and what holds them, for the .cc files of this folder only.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "wafer_backend/simulated/net.h"

namespace waferline::simulated {

// Finds the frames in what an end sends.
class FrameKinds {
 public:
  template <typename Call>  // void(uint8_t kind), for each header that ends in `bytes`
  void Take(std::span<const uint8_t> bytes, const Call& call) {
    for (size_t i = 0; i < bytes.size(); ++i) {
      if (rest_ > 0) {
        const size_t passed = std::min<size_t>(rest_, bytes.size() - i);
        rest_ -= passed;
        i += passed - 1;
        continue;
      }
      header_.at(have_++) = bytes[i];
      if (have_ < header_.size()) continue;
      have_ = 0;
      // u32 length of what follows it, u8 version, u8 kind, u16
      rest_ = (header_[0] | size_t{header_[1]} << 8 | size_t{header_[2]} << 16 |
               size_t{header_[3]} << 24) -
              4;
      call(header_[5]);
    }
  }

 private:
  std::array<uint8_t, 8> header_{};
  size_t have_ = 0;
  size_t rest_ = 0;
};

// One end of a stream. Its socket and packets on their way to it hold it.
struct Net::End : std::enable_shared_from_this<End> {
  SimNetwork* network = nullptr;  // null: it is gone
  Node node = 0;
  std::weak_ptr<End> other;
  std::string peer;
  bool open = false;
  bool cut_off = false;      // its process is dead: what it sends goes nowhere
  std::string over;          // why nothing more comes, once `in` is read; "": more may
  std::deque<uint8_t> in;    // arrived, not read
  size_t in_flight = 0;      // towards it
  FrameKinds sent;           // by it
  Nanoseconds last_arrival;  // of what was sent to it so far
  std::span<uint8_t> read_room;
  link::Socket::OnRead read_done;
  link::Socket::OnRoom room_done;

  size_t held() const { return in.size() + in_flight; }
};

// A connection that is being made. `network` is null once it was taken back or answered.
struct Net::Attempt {
  SimNetwork* network = nullptr;
  Node from = 0, to = 0;
  std::string endpoint;
  link::Network::OnConnected done;
  bool answered = false;
  std::shared_ptr<End> end;  // that waits for the answer
};

class Net::SimSocket : public link::Socket {
 public:
  SimSocket(Net* net, std::shared_ptr<End> end) : net_(net), end_(std::move(end)) {}
  ~SimSocket() override { net_->CloseEnd(end_.get()); }
  bool open() const override { return end_->open; }
  void Close() override { net_->CloseEnd(end_.get()); }
  const std::string& peer() const override { return end_->peer; }
  void Read(std::span<uint8_t> room, OnRead done) override;
  absl::StatusOr<size_t> Write(std::span<const uint8_t> bytes) override;
  void AwaitRoom(OnRoom done) override;

 private:
  Net* const net_;
  const std::shared_ptr<End> end_;
};

// A reactor's part of the network: what is ready for it.
class Net::SimNetwork : public link::Network {
 public:
  SimNetwork(Net* net, Process* process);
  ~SimNetwork() override;

  Nanoseconds Now() const override;
  void Turn(Nanoseconds patience) override;
  void Wake() override;
  std::unique_ptr<Pending> Connect(const std::string& endpoint, Nanoseconds timeout,
                                   OnConnected done) override;
  absl::StatusOr<std::unique_ptr<Acceptor>> Listen(const std::string& endpoint,
                                                   OnAccepted on_accepted) override;

  // `call` runs in its next turn.
  void Post(std::function<void()> call);
  Process* process() const { return process_; }
  Node node() const;

 private:
  bool RunReady();

  Net* const net_;
  Process* const process_;
  std::deque<std::function<void()>> ready_;
  bool woken_ = false;
};

}  // namespace waferline::simulated
