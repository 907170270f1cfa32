// Workers as processes of their own, over TCP, as a shard uses them.
//
// Has an I/O loop of its own, so that a shard that waits for them in the middle of a step handles
// nothing else. When a worker is lost or silent all are given up: the owner connects again.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/base/units.h"
#include "wafer_backend/compute/link/reactor.h"
#include "wafer_backend/compute/link/typed_link.h"
#include "wafer_backend/compute/shard/worker_links.h"

namespace waferline::shard {

class RemoteLayerWorkers : public WorkerLinks {
 public:
  struct Options {
    std::vector<std::string> endpoints;  // host:port of each worker
    // The shard's own, in its driver's name. As an attention worker it needs feed-forward workers,
    // each of its layers on one of them; else workers of experts, each expert on one of them or, as
    // said here, with itself.
    link::HelloFrame hello;
    int64_t experts = 0;                 // of a layer of the model
    Nanoseconds patience = Seconds(10);  // for connecting, and for an answer
    link::Liveness liveness;
    std::shared_ptr<tls::Credentials> tls;  // null: plain
    // Called periodically while this waits. Short; optional.
    std::function<void()> on_wait;
  };
  // Blocks. Unavailable naming the endpoint that cannot be reached; FailedPrecondition if a worker
  // has another model or other parts than are needed.
  static absl::StatusOr<std::unique_ptr<RemoteLayerWorkers>> Connect(const Options& options);

  // To be called periodically between steps: heartbeats. Not OK once a worker is lost.
  absl::Status KeepUp();

  size_t workers() const override { return peers_.size(); }
  WorkerPart part(size_t worker) const override { return peers_[worker]->part(); }
  void Send(size_t worker, link::LayerRowsFrame* frame) override;
  void Receive(size_t worker, float* rows) override;
  absl::Status status() const override { return status_; }
  link::LinkBytes sent() const override;
  link::LinkBytes received() const override;

 private:
  struct Peer {
    std::string endpoint;
    std::unique_ptr<link::ConnectAttempt> attempt;
    std::unique_ptr<link::Connection> connection;
    std::unique_ptr<link::LayerRowsOutlet> outlet;
    link::GreetingInlet greeting;
    link::LayerRowsInlet inlet;
    link::HelloFrame hello;
    bool greeted = false;
    AskedRows asked;
    std::deque<std::vector<float>> arrived;  // answers, oldest first
    std::vector<std::vector<float>> spent;   // memory of earlier ones
    WorkerPart part() const {
      return {{hello.first_layer, hello.end_layer}, {hello.first_expert, hello.end_expert}};
    }
  };

  explicit RemoteLayerWorkers(const Options& options)
      : options_(options), reactor_(options.liveness, {options.tls}) {}
  bool attention() const { return options_.hello.role == link::Role::kAttention; }
  absl::Status ConnectAll();
  void Greet(Peer* peer, std::unique_ptr<link::Connection> connection);
  absl::Status Accept(Peer* peer, std::span<const uint8_t> bytes);
  absl::Status CheckHello(const Peer& peer) const;
  absl::Status CheckEachExpertOnce() const;
  absl::Status CheckEachLayerOnce() const;
  void Lose(const Peer& peer, const absl::Status& why);
  // Turns the loop until `done`, or a worker is lost, or the patience is over, which loses `peer`.
  template <typename Done>
  void TurnUntil(const Peer& peer, Done done);

  const Options options_;
  link::Reactor reactor_;
  std::vector<std::unique_ptr<Peer>> peers_;
  absl::Status status_;
};

}  // namespace waferline::shard
