// A shard at work: who is connected to it, and what it does with their frames. Owns the links,
// not the shard.
//
// A driver owns the shard (membership/owner_gate.h). When it goes, or another one takes over, its
// neighbours, its prefill worker, its slots and its pages go with it; the next driver finds an
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
#include "wafer_backend/compute/link/pending_peers.h"
#include "wafer_backend/compute/link/reactor.h"
#include "wafer_backend/compute/link/typed_link.h"
#include "wafer_backend/compute/shard/remote_layer_workers.h"
#include "wafer_backend/compute/shard/shard.h"
#include "wafer_backend/membership/owner_gate.h"

namespace waferline::shard {

class ShardNode {
 public:
  struct Parts {
    link::Reactor* reactor = nullptr;
    Shard* shard = nullptr;
    link::HelloFrame hello;               // with the worker's own name and incarnation
    RemoteLayerWorkers::Options workers;  // without endpoints: the shard has its layers whole
    std::function<void(const std::string& remark)> on_remark;  // optional
  };
  explicit ShardNode(Parts parts);

  void Add(std::unique_ptr<link::Connection> connection) { pending_.Add(std::move(connection)); }
  // Closes peers that say nothing; notices lost workers of its layers. From outside of handlers.
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

  absl::Status HandleControl(const link::OpenFrame& open);
  absl::Status HandleControl(const link::CloseFrame& close);
  absl::Status HandleControl(const link::AskMemoryFrame&);
  absl::Status HandleControl(const link::TokenFrame& tokens);
  absl::Status HandleControl(const link::JoinFrame& join);
  absl::Status ConnectWorkers();
  void Greet(std::unique_ptr<link::Connection> connection);
  absl::Status TakePages(const link::KvFrame& frame);
  // Where a step goes from here: on to the next shard, or back as logits.
  void Finish(absl::Status status, const link::ActivationFrame& frame);
  absl::Status Answer(link::AnswerFrame::To to, uint64_t subject, const absl::Status& status);

  const Parts parts_;
  Shard* const shard_ = parts_.shard;
  membership::OwnerGate gate_{parts_.hello.role == link::Role::kAttention ? "attention worker"
                                                                          : "shard"};
  link::PendingPeers pending_;
  std::unique_ptr<DriverPeer> driver_;
  std::unique_ptr<UpstreamPeer> upstream_;
  std::unique_ptr<link::ConnectAttempt> joining_;
  std::unique_ptr<DownstreamPeer> downstream_;
  std::unique_ptr<PrefillPeer> prefill_;
  std::unique_ptr<RemoteLayerWorkers> workers_;
  link::ActivationFrame activations_;
  link::LogitsFrame logits_;
};

}  // namespace waferline::shard
