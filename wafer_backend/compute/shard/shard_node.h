// A shard at work: who is connected to it, and what it does with their frames. It has its layers
// from the start, or loads those that its driver assigns, on a thread of its own meanwhile.
//
// A driver owns the shard (membership/owner_gate.h). When it goes, or another one takes over, its
// neighbours, its prefill workers, its slots and its pages go with it; the next driver finds an
// empty shard. Neighbours and prefill workers must show the driver's own credentials, so that pages
// of an old job never reach a new driver's slot.
//
// Owner and thread: the shard server's loop, which turns the reactor and calls Watch.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wafer_backend/compute/link/pending_peers.h"
#include "wafer_backend/compute/link/reactor.h"
#include "wafer_backend/compute/link/typed_link.h"
#include "wafer_backend/compute/shard/layer_loader.h"
#include "wafer_backend/compute/shard/remote_layer_workers.h"
#include "wafer_backend/compute/shard/shard.h"
#include "wafer_backend/membership/owner_gate.h"

namespace waferline::shard {

class ShardNode {
 public:
  struct Parts {
    link::Reactor* reactor = nullptr;
    std::unique_ptr<Shard> shard;  // null: it is assigned layers
    link::HelloFrame hello;        // with the worker's own name and incarnation
    // Loads layers; called on another thread, one call at a time. None: the layers stay.
    std::function<absl::StatusOr<std::unique_ptr<Shard>>(LayerRange)> load;
    RemoteLayerWorkers::Options workers;  // without endpoints: the shard has its layers whole
    std::function<void(const std::string& remark)> on_remark;  // optional
    std::function<void(uint64_t epoch)> on_driver;             // optional
  };
  explicit ShardNode(Parts parts);

  void Add(std::unique_ptr<link::Connection> connection) { pending_.Add(std::move(connection)); }
  // Closes peers that say nothing; notices lost workers of its layers and layers that are loaded.
  // From outside of handlers.
  void Watch();

 private:
  // A connection with its typed ends.
  template <typename In, typename Out>
  struct Peer {
    explicit Peer(std::unique_ptr<link::Connection> taken)
        : connection(std::move(taken)), outlet(connection.get()) {}
    std::unique_ptr<link::Connection> connection;
    In inlet;
    Out outlet;
  };
  using DriverPeer = Peer<link::ShardFromDriver, link::ShardToDriver>;
  using UpstreamPeer = Peer<link::ActivationInlet, link::GreetingOutlet>;
  using DownstreamPeer = Peer<link::GreetingInlet, link::ActivationOutlet>;
  static constexpr size_t kMaxPrefill = 64;  // workers; one more closes the oldest
  using PrefillPeer = Peer<link::KvInlet, link::KvReceiptOutlet>;

  void Remark(const char* what, const absl::Status& why);
  absl::Status Check(const link::HelloFrame& theirs) const;
  link::HelloFrame Hello() const;
  // This worker's greeting to others, in its driver's name.
  link::HelloFrame HelloAs(link::Role role) const;
  // Gives a connection the links of its role.
  void AssignRole(const link::HelloFrame& theirs, std::unique_ptr<link::Connection> connection);
  void AssignDriver(const membership::Credentials& theirs,
                    std::unique_ptr<link::Connection> connection);
  void AssignUpstream(std::unique_ptr<link::Connection> connection);
  void AssignPrefill(std::unique_ptr<link::Connection> connection);
  void DropDriver();
  void DropDownstream();

  template <typename Frame>
  absl::Status OnControl(const Frame& frame);
  absl::Status HandleControl(const link::AssignFrame& assign);
  void TakeLoaded();
  absl::Status HandleControl(const link::OpenFrame& open);
  absl::Status HandleControl(const link::CloseFrame& close);
  absl::Status HandleControl(const link::AskMemoryFrame&);
  absl::Status HandleControl(const link::TokenFrame& tokens);
  absl::Status HandleControl(const link::JoinFrame& join);
  absl::Status ConnectWorkers();
  void Greet(std::unique_ptr<link::Connection> connection);
  absl::Status TakePages(PrefillPeer* peer, const link::KvFrame& frame);
  // Where a step goes from here: on to the next shard, or back as logits.
  void Finish(absl::Status status, const link::ActivationFrame& frame);
  absl::Status Answer(link::AnswerFrame::To to, uint64_t subject, const absl::Status& status);

  Parts parts_;
  std::unique_ptr<Shard> shard_ = std::move(parts_.shard);
  link::HelloFrame hello_ = parts_.hello;  // with the layers that it has
  membership::OwnerGate gate_{hello_.role == link::Role::kAttention ? "attention worker" : "shard"};
  link::PendingPeers pending_;
  std::unique_ptr<DriverPeer> driver_;
  std::unique_ptr<UpstreamPeer> upstream_;
  std::unique_ptr<link::ConnectAttempt> joining_;
  std::unique_ptr<DownstreamPeer> downstream_;
  link::LinkBytes sent_before_;                        // to earlier ones
  std::vector<std::unique_ptr<PrefillPeer>> prefill_;  // oldest first
  std::unique_ptr<RemoteLayerWorkers> workers_;
  link::ActivationFrame activations_;
  link::LogitsFrame logits_;
  LayerLoader loader_;
};

}  // namespace waferline::shard
