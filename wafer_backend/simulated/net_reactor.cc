// What a reactor sees of the network.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/simulated/net_ends.h"
#include "wafer_backend/simulated/world.h"

namespace waferline::simulated {
namespace {

// What a look at the network without waiting stands for: some computing.
constexpr Nanoseconds kMaxComputing = Microseconds(50);

}  // namespace

class Net::SimPending : public link::Network::Pending {
 public:
  SimPending(Net* net, std::shared_ptr<Attempt> attempt)
      : net_(net), attempt_(std::move(attempt)) {}
  ~SimPending() override {
    if (attempt_->network == nullptr) return;
    attempt_->network = nullptr;
    attempt_->done = nullptr;
    if (attempt_->end != nullptr) net_->CloseEnd(attempt_->end.get());
  }

 private:
  Net* const net_;
  const std::shared_ptr<Attempt> attempt_;
};

class Net::SimAcceptor : public link::Network::Acceptor {
 public:
  SimAcceptor(Net* net, SimNetwork* network) : net_(net), network_(network) {}
  ~SimAcceptor() override {
    const auto found = net_->listening_.find(network_->node());
    if (found != net_->listening_.end() && found->second.network == network_) {
      net_->listening_.erase(found);
    }
  }
  uint16_t port() const override { return 1; }

 private:
  Net* const net_;
  SimNetwork* const network_;
};

std::unique_ptr<link::Network> Net::Attach(Process* process) {
  return std::make_unique<SimNetwork>(this, process);
}

Net::SimNetwork::SimNetwork(Net* net, Process* process) : net_(net), process_(process) {}

Net::SimNetwork::~SimNetwork() {
  ready_.clear();
  for (const auto& each : net_->ends_) {
    const auto end = each.lock();
    if (end == nullptr || end->network != this) continue;
    net_->CloseEnd(end.get());  // connections that were accepted and never taken
    end->network = nullptr;
  }
}

Node Net::SimNetwork::node() const { return process_->node; }
Nanoseconds Net::SimNetwork::Now() const { return net_->world_->Now(); }

void Net::SimNetwork::Post(std::function<void()> call) {
  ready_.push_back(std::move(call));
  net_->world_->Notify(this);
}

void Net::SimNetwork::Wake() {
  woken_ = true;
  net_->world_->Notify(this);
}

bool Net::SimNetwork::RunReady() {
  const bool any = std::exchange(woken_, false) || !ready_.empty();
  while (!ready_.empty()) {
    const auto call = std::move(ready_.front());
    ready_.pop_front();
    call();
  }
  return any;
}

void Net::SimNetwork::Turn(Nanoseconds patience) {
  World* const world = net_->world_;
  if (patience <= Nanoseconds(0)) {
    const int computing = 0;
    world->Wait(&computing, world->Now() + world->DrawTime(Nanoseconds(1), kMaxComputing));
  }
  if (RunReady() || patience <= Nanoseconds(0)) return;
  world->Wait(this, world->Now() + patience);
  RunReady();
}

std::unique_ptr<link::Network::Pending> Net::SimNetwork::Connect(const std::string& endpoint,
                                                                 Nanoseconds timeout,
                                                                 OnConnected done) {
  auto attempt = std::make_shared<Attempt>();
  attempt->network = this;
  attempt->from = node();
  attempt->endpoint = endpoint;
  attempt->done = std::move(done);
  const auto to = net_->NodeOf(endpoint);
  World* const world = net_->world_;
  if (!to.ok() || process_->dead) {
    const absl::Status why = to.ok() ? absl::UnavailableError("it was killed") : to.status();
    world->After(Microseconds(1),
                 [net = net_, attempt, why] { net->Answer(attempt, why, nullptr); });
  } else {
    attempt->to = *to;
    world->At(net_->Arrival(attempt->from, *to), [net = net_, attempt] { net->OnSyn(attempt); });
    world->After(timeout, [net = net_, attempt] {
      if (attempt->network == nullptr || attempt->answered) return;
      if (attempt->end != nullptr) net->CloseEnd(attempt->end.get());
      net->Answer(attempt, absl::UnavailableError("no answer in time"), nullptr);
    });
  }
  return std::make_unique<SimPending>(net_, std::move(attempt));
}

absl::StatusOr<std::unique_ptr<link::Network::Acceptor>> Net::SimNetwork::Listen(
    const std::string& endpoint, OnAccepted on_accepted) {
  WL_ASSIGN_OR_RETURN(const Node node, net_->NodeOf(endpoint));
  if (node != process_->node || net_->listening_.contains(node) || process_->dead) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", endpoint));
  }
  net_->listening_[node] = {this, std::move(on_accepted)};
  return std::make_unique<SimAcceptor>(net_, this);
}

}  // namespace waferline::simulated
