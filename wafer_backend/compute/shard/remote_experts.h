// Workers of experts as processes of their own, over TCP, as a shard uses them.
//
// Has an I/O loop of its own, so that a shard that waits for them in the middle of a step handles
// nothing else. When a worker is lost or silent all are given up: the owner connects again.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/base/units.h"
#include "wafer_backend/compute/link/reactor.h"
#include "wafer_backend/compute/shard/other_experts.h"

namespace waferline::shard {

class RemoteExperts : public OtherExperts {
 public:
  struct Options {
    std::vector<std::string> endpoints;  // host:port of each worker
    // The shard's own, in its driver's name, with the experts that it has itself.
    link::HelloFrame hello;
    int64_t experts = 0;                 // of a layer of the model
    Nanoseconds patience = Seconds(10);  // for connecting, and for the answers of a layer
    link::Liveness liveness;
    // Called now and then while this waits. Short; optional.
    std::function<void()> on_wait;
  };
  // Blocks. Unavailable naming the endpoint that cannot be reached; FailedPrecondition if a worker
  // has another model, or if shard and workers together do not have each expert once.
  static absl::StatusOr<std::unique_ptr<RemoteExperts>> Connect(const Options& options);

  // Between steps, now and then: heartbeats. Not OK once a worker is lost.
  absl::Status KeepUp();

  void Start(int64_t layer, std::span<const int64_t> begin, const float* rows) override;
  void Finish(float* rows) override;
  link::LinkBytes sent() const override;
  absl::Status status() const override { return status_; }

 private:
  struct Peer {
    std::string endpoint;
    std::unique_ptr<link::ConnectAttempt> attempt;
    std::unique_ptr<link::Connection> connection;
    std::unique_ptr<link::ExpertOutlet> outlet;
    link::GreetingInlet greeting;
    link::ExpertInlet inlet;
    link::HelloFrame hello;
    bool greeted = false;
    link::ExpertRowsFrame asked;
    bool pending = false;  // its answer
    ExpertRange experts() const { return {hello.first_expert, hello.end_expert}; }
  };

  explicit RemoteExperts(const Options& options) : options_(options), reactor_(options.liveness) {}
  absl::Status ConnectAll();
  void Greet(Peer* peer, std::unique_ptr<link::Connection> connection);
  absl::Status Accept(Peer* peer, std::span<const uint8_t> bytes);
  absl::Status CheckHello(const Peer& peer) const;
  absl::Status CheckEachOnce() const;
  void Lose(const Peer& peer, const absl::Status& why);
  // Turns the loop until `flag` of no peer is `value`, or the patience is over.
  void TurnWhileAny(bool Peer::*flag, bool value);

  const Options options_;
  link::Reactor reactor_;
  std::vector<std::unique_ptr<Peer>> peers_;
  absl::Status status_;
  std::span<const int64_t> begin_;  // from Start to Finish
  float* rows_ = nullptr;           // while Finish runs
};

}  // namespace waferline::shard
