// What a reactor stands on: byte streams to peers, a clock, and a wait for both. TCP by the
// operating system (TcpNetwork), unless the thread runs on a machine that has a network of its own
// (wafer_backend/simulated). Framing, heartbeats, windows and TLS lie above it.
//
// Owner: the reactor; thread: its thread, but Wake. Sockets, attempts and acceptors die before
// their network.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wafer_backend/base/machine.h"
#include "wafer_backend/base/units.h"

namespace waferline::link {

// One connected stream of bytes. Callbacks come from Network::Turn, never from within a call, and
// may destroy the socket; none comes after Close. A status is Unavailable and says what ended it.
class Socket {
 public:
  using OnRead = std::function<void(const absl::Status&, size_t got)>;
  using OnRoom = std::function<void(const absl::Status&)>;
  virtual ~Socket() = default;

  virtual bool open() const = 0;
  virtual void Close() = 0;
  virtual const std::string& peer() const = 0;  // "127.0.0.1:4711"
  // Reads some bytes into `room`, which stays until `done`. One at a time.
  virtual void Read(std::span<uint8_t> room, OnRead done) = 0;
  // Writes what is taken without waiting, perhaps nothing; then AwaitRoom says when to go on.
  virtual absl::StatusOr<size_t> Write(std::span<const uint8_t> bytes) = 0;
  virtual void AwaitRoom(OnRoom done) = 0;
};

class Network {
 public:
  // Something under way that is taken back when this dies.
  class Pending {
   public:
    virtual ~Pending() = default;
  };
  class Acceptor : public Pending {
   public:
    virtual uint16_t port() const = 0;
  };
  using OnConnected = std::function<void(absl::StatusOr<std::unique_ptr<Socket>>)>;
  using OnAccepted = std::function<void(std::unique_ptr<Socket>)>;

  virtual ~Network() = default;
  virtual Nanoseconds Now() const = 0;
  // Runs what is ready; if nothing is, waits up to `patience` for something or for Wake.
  virtual void Turn(Nanoseconds patience) = 0;
  virtual void Wake() = 0;  // any thread
  // Both as ConnectAttempt and Listener say (reactor.h). `done` is called once.
  virtual std::unique_ptr<Pending> Connect(const std::string& endpoint, Nanoseconds timeout,
                                           OnConnected done) = 0;
  virtual absl::StatusOr<std::unique_ptr<Acceptor>> Listen(const std::string& endpoint,
                                                           OnAccepted on_accepted) = 0;
};

// A machine with a network of its own.
class NetworkedMachine : public Machine {
 public:
  // Null: the operating system's network.
  static NetworkedMachine* OfThisThread() { return of_this_thread_; }
  // One for each reactor.
  virtual std::unique_ptr<Network> MakeNetwork() = 0;

 protected:
  static void SetForThisThread(NetworkedMachine* machine) {
    of_this_thread_ = machine;
    Machine::SetForThisThread(machine);
  }

 private:
  static inline constinit thread_local NetworkedMachine* of_this_thread_ = nullptr;
};

}  // namespace waferline::link
