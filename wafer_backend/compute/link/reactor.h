// The I/O loop of one thread: connections that carry frames, a listener, and the clock that
// decides when a peer has been silent for too long (liveness.h). They are TCP's and the operating
// system's, or those of the machine that the thread runs on (network.h). The servers of remote
// shards and prefill workers and the driver that uses them each run one.
//
// Thread: everything happens on the thread that calls Turn, callbacks included; only Wake is for
// any thread. Owner: that thread's loop; connections and listeners must die before their reactor.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wafer_backend/base/units.h"
#include "wafer_backend/compute/link/byte_pipe.h"
#include "wafer_backend/compute/link/liveness.h"
#include "wafer_backend/compute/link/network.h"
#include "wafer_backend/compute/link/tls_layer.h"
#include "wafer_backend/compute/link/vitals.h"

namespace waferline::link {

class Reactor {
 public:
  // `security`: of all its connections.
  explicit Reactor(const Liveness& liveness = {}, LinkSecurity security = {});
  ~Reactor();
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

  // Runs whatever is ready; if nothing is, waits up to `patience` for something or for Wake.
  void Turn(Nanoseconds patience);
  void Wake();
  // Sends the heartbeats that are due and calls nothing back: for an owner that computes for long
  // between two turns, or within one. Costs a look at the clock.
  void Beat();

  // From now on the loop says there when it is awake. Before the first Turn.
  void ReportTo(std::shared_ptr<Vitals> vitals);
  const std::shared_ptr<Vitals>& vitals() const { return vitals_; }

  // A monotonic clock, for deadlines of links.
  Nanoseconds Now() const;

  struct Io;
  Io& io() { return *io_; }

 private:
  void Watch();  // over the connections

  std::unique_ptr<Io> io_;
  std::shared_ptr<Vitals> vitals_ = std::make_shared<Vitals>();
};

// One connection as a pipe of frames, plain or with TLS (tls_layer.h).
//
// A frame that is not well-formed, or that the handler refuses, closes the connection. Whatever
// ends it (the peer, the network, a bad frame, a silent peer as DeadlineExceeded, TCP's own
// time-outs: 10 s without an acknowledgement) is reported once, as a status; Close by the owner is
// not reported. Bounds:
// kWindowBytes wait to be sent; a frame of kMaxFrameBytes is gathered at most, in memory that grows
// as its bytes arrive.
class Connection : public BytePipe {
 public:
  static constexpr size_t kWindowBytes = size_t{16} << 20;

  using OnFrame = std::function<absl::Status(std::span<const uint8_t> frame)>;
  using OnClosed = std::function<void(const absl::Status& why)>;

  struct State;
  explicit Connection(std::shared_ptr<State> state) : state_(std::move(state)) {}
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // From now on, until the next Start; both may destroy the connection.
  void Start(OnFrame on_frame, OnClosed on_closed);

  absl::Status Push(std::vector<uint8_t>* frame) override;
  bool HasRoom() const override;
  bool open() const;
  bool secured() const;             // always, if plain; else once the peer was checked
  Nanoseconds silence() const;      // since a frame, a heartbeat or much of a frame came
  const std::string& peer() const;  // "127.0.0.1:4711"

 private:
  std::shared_ptr<State> state_;
};

// Connects to "host:port"; `done` is called once from a Turn, with Unavailable naming the endpoint
// if that takes longer than `timeout`, or InvalidArgument if it is not an endpoint. Destroying the
// attempt takes it back.
class ConnectAttempt {
 public:
  using Done = std::function<void(absl::StatusOr<std::unique_ptr<Connection>>)>;
  ConnectAttempt(Reactor* reactor, const std::string& endpoint, Nanoseconds timeout, Done done);
  ~ConnectAttempt();
  ConnectAttempt(const ConnectAttempt&) = delete;
  ConnectAttempt& operator=(const ConnectAttempt&) = delete;

 private:
  std::unique_ptr<Network::Pending> pending_;
};

// Accepts connections on "host:port"; port 0 lets the system choose.
class Listener {
 public:
  using OnConnection = std::function<void(std::unique_ptr<Connection>)>;
  // Unavailable if the port is taken, InvalidArgument if it is not an endpoint.
  static absl::StatusOr<std::unique_ptr<Listener>> Open(Reactor* reactor,
                                                        const std::string& endpoint,
                                                        OnConnection on_connection);
  ~Listener();
  uint16_t port() const;

 private:
  explicit Listener(std::unique_ptr<Network::Acceptor> acceptor) : acceptor_(std::move(acceptor)) {}
  std::unique_ptr<Network::Acceptor> acceptor_;
};

}  // namespace waferline::link
