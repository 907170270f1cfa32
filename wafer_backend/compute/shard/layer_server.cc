#include "wafer_backend/compute/shard/layer_server.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/link/pending_peers.h"
#include "wafer_backend/compute/link/reactor.h"
#include "wafer_backend/compute/link/typed_link.h"
#include "wafer_backend/compute/shard/peer_model.h"
#include "wafer_backend/membership/owner_gate.h"

namespace waferline::shard {
namespace {

constexpr size_t kMaxShards = 64;  // that are connected; one more closes the oldest
constexpr Nanoseconds kIdleTurn = Milliseconds(100);

tls::Door DoorOf(link::Role role) {
  return role == link::Role::kExperts ? tls::Door::kExperts : tls::Door::kFeedForward;
}

class LayerServer {
 public:
  LayerServer(LayerWorker* worker, const link::HelloFrame& hello,
              const link::WorkerProcess& process)
      : worker_(worker),
        hello_(hello),
        process_(process),
        gate_(hello.role == link::Role::kExperts ? "worker of experts" : "feed-forward worker"),
        reactor_(process.liveness, {process.tls, DoorOf(hello.role)}),
        pending_(&reactor_, {.check = [this](const auto& theirs) { return Check(theirs); },
                             .ours = [this] { return Hello(); },
                             .on_greeted =
                                 [this](const auto& theirs, auto taken) {
                                   TakeOwner(theirs.credentials);
                                   Serve(std::move(taken));
                                 },
                             .on_remark = process.on_remark}) {
    reactor_.ReportTo(process.vitals);
  }

  absl::Status Run(const std::atomic<bool>& stop) {
    WL_ASSIGN_OR_RETURN(const auto listener,
                        link::Listener::Open(&reactor_, process_.listen, [this](auto taken) {
                          pending_.Add(std::move(taken));
                        }));
    if (process_.on_ready) process_.on_ready(listener->port());
    while (!stop.load(std::memory_order_relaxed)) {
      reactor_.Turn(kIdleTurn);
      pending_.Watch();
      std::erase_if(shards_, [](const auto& shard) { return shard->gone; });
      if (shards_.empty()) gate_.OnDriverGone();
      reactor_.vitals()->owned = gate_.owned();
      if (shards_.size() > kMaxShards) shards_.erase(shards_.begin());
    }
    return absl::OkStatus();
  }

 private:
  struct Peer {
    explicit Peer(std::unique_ptr<link::Connection> taken)
        : connection(std::move(taken)), outlet(connection.get()) {}
    std::unique_ptr<link::Connection> connection;
    link::LayerRowsInlet inlet;
    link::LayerRowsOutlet outlet;
    bool gone = false;  // removed when none of its handlers runs
  };

  absl::Status Check(const link::HelloFrame& theirs) const {
    WL_RETURN_IF_ERROR(SameModel(hello_, theirs));
    const bool experts = hello_.role == link::Role::kExperts;
    if (theirs.role != (experts ? link::Role::kShard : link::Role::kAttention)) {
      return absl::FailedPreconditionError(
          experts ? "only shards connect to a worker of experts"
                  : "only attention workers connect to a feed-forward worker");
    }
    if (gate_.CheckPeer(theirs.credentials).ok()) return absl::OkStatus();
    return gate_.CheckDriver(theirs.credentials);
  }

  link::HelloFrame Hello() const {
    link::HelloFrame hello = hello_;
    hello.credentials.cell = gate_.last().cell;
    hello.credentials.fence = gate_.last().fence;
    return hello;
  }

  // The shards of one driver share this worker; those of an earlier owner have nothing more to ask.
  void TakeOwner(const membership::Credentials& theirs) {
    if (gate_.CheckPeer(theirs).ok()) return;
    for (const auto& shard : shards_) {
      shard->gone = true;
      shard->connection.reset();
    }
    gate_.OnDriver(theirs);
  }

  void Serve(std::unique_ptr<link::Connection> taken) {
    Peer* const peer = shards_.emplace_back(std::make_unique<Peer>(std::move(taken))).get();
    peer->connection->Start(
        [this, peer](std::span<const uint8_t> bytes) {
          return peer->inlet.Accept(bytes, [&](link::LayerRowsFrame& frame) {
            WL_RETURN_IF_ERROR(worker_->Compute(&frame));
            reactor_.Beat();  // others may have sent more than one
            return peer->outlet.Send(frame);
          });
        },
        [this, peer](const absl::Status& why) {
          if (process_.on_remark) {
            process_.on_remark(absl::StrCat("shard disconnected: ", why.message()));
          }
          peer->gone = true;
        });
  }

  LayerWorker* const worker_;
  const link::HelloFrame hello_;
  const link::WorkerProcess& process_;
  membership::OwnerGate gate_;
  link::Reactor reactor_;
  link::PendingPeers pending_;
  std::vector<std::unique_ptr<Peer>> shards_;  // oldest first
};

// Loads `part`, makes a Worker of it and serves as `role`.
template <typename Worker, typename Options>
absl::Status RunServer(link::Role role, const ModelPart& part, const Options& options,
                       const std::atomic<bool>& stop) {
  kernels::ThreadPool pool(options.ComputeThreads());
  std::shared_ptr<const PackedModel> model = options.model;
  if (model == nullptr) {
    WL_ASSIGN_OR_RETURN(auto file, model::GgufFile::Open(options.model_path));
    WL_ASSIGN_OR_RETURN(model, PackedModel::LoadPart(std::move(file), part, &pool));
  }
  WL_ASSIGN_OR_RETURN(const auto worker, Worker::Create(model, options.worker, &pool));
  link::HelloFrame hello = HelloFor(role, *model, part.layers, /*page_tokens=*/0);
  hello.max_rows = static_cast<uint32_t>(options.worker.max_rows);
  options.Sign(&hello);
  return LayerServer(worker.get(), hello, options).Run(stop);
}

}  // namespace

absl::Status RunExpertServer(const ExpertServerOptions& options, const std::atomic<bool>& stop) {
  const ModelPart part = {options.worker.layers, options.worker.experts, LayerSide::kExperts};
  return RunServer<ExpertWorker>(link::Role::kExperts, part, options, stop);
}

absl::Status RunFeedForwardServer(const FeedForwardServerOptions& options,
                                  const std::atomic<bool>& stop) {
  const ModelPart part = {options.worker.layers, {}, LayerSide::kFeedForward};
  return RunServer<FeedForwardWorker>(link::Role::kFeedForward, part, options, stop);
}

}  // namespace waferline::shard
