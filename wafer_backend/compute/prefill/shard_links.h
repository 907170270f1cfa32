// A prefill worker's links to the shards: connected when the driver names them, dropped together
// when one of them fails, for a hand-off needs all.
//
// Owner: the prefill server; thread: its reactor's.
#pragma once

#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "wafer_backend/compute/link/reactor.h"
#include "wafer_backend/compute/link/typed_link.h"
#include "wafer_backend/compute/prefill/prefill_service.h"

namespace waferline::prefill {

class ShardLinks {
 public:
  struct Events {
    // All shards are connected, or they are no longer (then with the reason).
    std::function<void(const absl::Status& status)> on_change;
    // Every shard has a job's pages, or one could not take them.
    std::function<void(uint64_t job, const absl::Status& status)> on_received;
  };
  // `hello` is this worker's greeting.
  ShardLinks(link::Reactor* reactor, const link::HelloFrame& hello, Events events)
      : reactor_(reactor), hello_(hello), events_(std::move(events)) {}

  // Drops what there is and connects to these, in the name of the driver.
  void Connect(const link::ShardsFrame& shards, const membership::Credentials& driver);
  void Drop();

  // A hand-off begins, whose receipts count; it is over, and late receipts do not.
  void Expect(uint64_t job) { received_[job] = 0; }
  void Forget(uint64_t job) { received_.erase(job); }

  // Where pages go; empty unless all are connected. Valid until on_change.
  std::vector<KvTarget> targets();

 private:
  struct Link {
    link::ShardAddress address;
    std::unique_ptr<link::ConnectAttempt> attempt;
    std::unique_ptr<link::Connection> connection;
    std::unique_ptr<link::KvOutlet> outlet;
    link::GreetingInlet greeting;
    link::KvReceiptInlet receipts;
    bool greeted = false;
  };
  void Greet(Link* link, std::unique_ptr<link::Connection> connection);
  absl::Status OnHello(Link* link, const link::HelloFrame& hello);
  absl::Status OnReceipt(const link::KvReceivedFrame& receipt);
  void Fail(const absl::Status& why);

  link::Reactor* const reactor_;
  link::HelloFrame hello_;
  const Events events_;
  std::vector<std::unique_ptr<Link>> links_;
  std::vector<std::unique_ptr<Link>> dropped_;     // kept until no handler of theirs runs
  std::unordered_map<uint64_t, size_t> received_;  // by how many shards, of jobs under way
};

}  // namespace waferline::prefill
